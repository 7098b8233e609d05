package kerashand

import java.io.IOException
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Geometry and passes, without Android and without a model. */
class HandPoseTest {
    private fun assertPoint(u: Double, v: Double, point: Point) {
        assertEquals(u, point.u, 1e-9)
        assertEquals(v, point.v, 1e-9)
    }

    private fun grey(width: Int, height: Int, value: (Int, Int) -> Int) =
        Picture(width, height, ByteArray(width * height * 3) { place ->
            value(place / 3 % width, place / 3 / width).toByte()
        })

    @Test
    fun centresOfPixelsAreIntegers() {
        val map = cropFromImage(View(Point(31.5, 31.5), 64.0, 0.0), 128)
        assertPoint(0.5, 0.5, map(0.0, 0.0))
        val mirrored = cropFromImage(View(Point(31.5, 31.5), 64.0, 0.0), 128, mirrored = true)
        assertPoint(126.5, 0.5, mirrored(0.0, 0.0))
    }

    @Test
    fun mapsAndTheirInverses() {
        val map = cropFromImage(View(Point(100.0, 40.0), 50.0, 2.0), 128, mirrored = true)
        val (u, v) = map(93.0, 51.0)
        assertPoint(93.0, 51.0, map.inverse()(u, v))
        assertPoint(93.0, 51.0, map.back(Point(u, v)))
    }

    @Test
    fun aQuarterTurnIsClockwise() {
        val map = cropFromImage(View(Point(10.0, 10.0), 21.0, Math.PI / 2), 21)
        assertPoint(10.0, 12.0, map(12.0, 10.0))
    }

    @Test
    fun theViewOfAHandThatPointsToTheRight() {
        val joints = List(JOINTS) { Point(50.0 + 2 * it, 30.0) } // from the wrist to the right
        val view = viewOfJoints(joints, 1.3)
        assertEquals(-Math.PI / 2, view.angleRad, 1e-12)
        assertPoint(70.0, 30.0, view.centre)
        assertEquals(40 * 1.3, view.sidePx, 1e-9)
        val map = cropFromImage(view, 128)
        assertTrue(map(50.0, 30.0).v > map(68.0, 30.0).v) // the wrist is below now
    }

    @Test
    fun cropsOfAPicture() {
        val picture = grey(4, 4) { column, row -> 10 * column + row }
        val whole = squareAround(Box(-0.5, -0.5, 3.5, 3.5))
        assertArrayEquals(picture.rgb, cut(picture, cropFromImage(whole, 4), 4))
        val mirrored = cut(picture, cropFromImage(whole, 4, mirrored = true), 4)
        assertArrayEquals(grey(4, 4) { column, row -> 10 * (3 - column) + row }.rgb, mirrored)
        // Beyond the edge the picture is mirrored about the centre of its first pixel.
        val beyond = cut(picture, cropFromImage(View(Point(-0.5, 1.5), 4.0, 0.0), 4), 4)
        assertEquals(listOf(20, 10, 0, 10), List(4) { beyond[3 * it].toInt() })
    }

    @Test
    fun largePicturesAreAveragedInBlocks() {
        val picture = grey(6, 6) { column, _ -> if (column % 3 == 1) 90 else 0 }
        val crop = cut(picture, cropFromImage(squareAround(Box(-0.5, -0.5, 5.5, 5.5)), 2), 2)
        assertEquals(List(12) { 30 }, crop.map { it.toInt() })
    }

    @Test
    fun boxesOverlap() {
        assertEquals(1 / 3.0, Box(0.0, 0.0, 2.0, 2.0).overlap(Box(1.0, 0.0, 3.0, 2.0)), 1e-12)
        assertEquals(0.0, Box(0.0, 0.0, 2.0, 2.0).overlap(Box(3.0, 0.0, 4.0, 2.0)), 0.0)
    }

    /** One hand in the left upper cell of four, and a doubtful one outside of the picture. */
    private class OneHand(private val pRight: Float) : Network {
        override val sizePx = 32
        override val outputs = setOf("score", "box", "p_right")

        override fun run(image: ByteArray) = mapOf(
            "score" to floatArrayOf(0.9f, 0.2f, 0.8f, 0.1f),
            "box" to FloatArray(16).also {
                floatArrayOf(4f, 8f, 12f, 16f).copyInto(it, 0)
                floatArrayOf(0f, 60f, 4f, 64f).copyInto(it, 8)
            },
            "p_right" to FloatArray(4) { pRight },
        )
    }

    /**
     * Sees joints that fill each crop as they should, or all in its corner, and counts passes; says
     * how likely there is a hand, and that it is a right one, if `pHand` is given.
     */
    private class Joints(
        private val confidence: Float, private val pHand: Float? = null, fitting: Boolean = true,
    ) : Network {
        override val sizePx = 16
        override val outputs =
            setOf("uv_px", "z_relative", "confidence") + if (pHand == null) setOf() else HEADS
        private val middle = if (fitting) 7.5f else 0f
        var passes = 0

        override fun run(image: ByteArray): Map<String, FloatArray> {
            passes += 1
            val uv = FloatArray(2 * JOINTS) { middle }
            uv[1] += 8 / 1.3f // the wrist
            uv[2 * MIDDLE_MCP + 1] -= 8 / 1.3f
            return mapOf(
                "uv_px" to uv,
                "z_relative" to FloatArray(JOINTS),
                "confidence" to FloatArray(JOINTS) { confidence },
                "p_right" to floatArrayOf(0.9f),
                "p_hand" to floatArrayOf(pHand ?: 0f),
            )
        }
    }

    private val picture = grey(64, 64) { _, _ -> 128 }

    private fun pose(network: Network, leastHand: Double, pRight: Float = 0.01f) =
        HandPose(
            network, Detector(OneHand(pRight), 0.5),
            Recipe(JSONObject("""{"least_hand": $leastHand}""")),
        )

    @Test
    fun aHandIsDetectedAndItsJointsLieInThePicture() {
        val hand = pose(Joints(0.5f), leastHand = 0.95).predict(picture).single()
        assertEquals(Handedness.LEFT, hand.handedness)
        assertEquals(0.01, hand.pRight!!, 1e-6) // the detector's
        assertEquals(0.5, hand.score, 1e-6) // of its joints alone
        // The box's middle (8, 12) of the detector's 32 pixels is (16.5, 24.5) of the picture's 64.
        assertEquals(16.5, hand.uvPx[MIDDLE_TIP].u, 1e-6)
        assertEquals(24.5, hand.uvPx[MIDDLE_TIP].v, 1e-6)
    }

    @Test
    fun aPictureTakesSoManyPassesAndADoubtfulHandOne() {
        for ((leastHand, passes, expected) in listOf(
            Triple(0.95, 1, 1), Triple(0.95, 2, 2), Triple(0.95, 4, 4), Triple(0.99, 4, 1),
        )) {
            val network = Joints(0.5f)
            val hands = pose(network, leastHand).predict(picture, passes = passes)
            assertEquals(expected, network.passes)
            assertEquals(if (leastHand < 0.98) 1 else 0, hands.size)
        }
    }

    @Test
    fun aModelWithHeadsSaysTheHandednessAndWhetherThereIsAHand() {
        // It sees a right hand in the mirror image as well: a left one is in the picture.
        val hand = pose(Joints(0.5f, pHand = 0.75f), leastHand = 0.95).predict(picture).single()
        assertEquals(Handedness.LEFT, hand.handedness)
        assertEquals(0.1, hand.pRight!!, 1e-6)
        assertEquals(0.75, hand.score, 1e-6)
    }

    @Test
    fun aCropThatDoesNotFitCostsMorePasses() {
        val network = Joints(0.5f, fitting = false)
        val pose = pose(network, leastHand = 0.95)
        val hand = pose.predict(picture).single()
        assertEquals(pose.recipe.passes + pose.recipe.extraPasses, network.passes)
        network.passes = 0
        assertEquals(null, pose.follow(picture, hand).pRight)
        assertEquals(1 + pose.recipe.extraPasses, network.passes)
    }

    @Test
    fun whatScoresTooLowIsNoHand() {
        assertTrue(pose(Joints(0.5f), leastHand = 0.99).predict(picture).isEmpty())
    }

    @Test
    fun aRecipeIsReadAndWrongOnesAreRefused() {
        val recipe = Recipe(JSONObject("""{"passes": 3, "turns_deg": [5, -5]}"""))
        assertEquals(3, recipe.passes)
        assertEquals(listOf(5.0, -5.0), recipe.turnsDeg)
        assertEquals(1.3, recipe.margin, 0.0)
        for (wrong in listOf(
            """{"pases": 3}""", """{"passes": 0}""", """{"passes": 17}""", """{"passes": 1.5}""",
            """{"passes": "3"}""", """{"passes": true}""", """{"margin": -1}""",
            """{"margin": null}""", """{"turns_deg": []}""", """{"turns_deg": [181]}""",
            """{"turns_deg": 5}""",
        )) {
            val error = assertThrows(IOException::class.java) { Recipe(JSONObject(wrong)) }
            assertTrue(error.message!!, "`recipe" in error.message!!)
        }
    }

    private companion object {
        const val MIDDLE_TIP = 12
        val HEADS = setOf("p_right", "p_hand")
    }
}
