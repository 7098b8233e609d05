package kerashand

import java.io.File
import kotlin.math.abs
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** What the Python runtime does with ten pictures, in tests/golden of the repository. */
class GoldenTest {
    private val folder = File("../../../tests/golden")
    private val golden = JSONObject(File(folder, "golden.json").readText())
    private val recipe = Recipe(golden.getJSONObject("recipe"))

    private fun JSONArray.objects() = List(length()) { getJSONObject(it) }

    private fun JSONArray.arrays() = List(length()) { getJSONArray(it) }

    private fun JSONArray.numbers() = List(length()) { getDouble(it) }

    private fun JSONObject.rows(name: String) = getJSONArray(name).arrays().map { it.numbers() }

    private fun JSONObject.points() = rows("uv_px").map { (u, v) -> Point(u, v) }

    private fun JSONObject.handedness() = Handedness.valueOf(getString("handedness").uppercase())

    private fun JSONObject.number(name: String) = if (isNull(name)) null else getDouble(name)

    /** Gives recorded outputs, and compares the crops with those of Python. */
    private inner class Replay(private val runs: List<JSONObject>) : Network {
        override val sizePx = golden.getInt("size_px")
        override val outputs = setOf("uv_px", "z_relative", "confidence", "p_right", "p_hand")
        var count = 0

        override fun run(image: ByteArray): Map<String, FloatArray> {
            val run = runs[count++]
            val pixels = image.map { it.toInt() and 0xff }.chunked(3)
            for ((channel, mean) in run.getJSONArray("crop_mean").numbers().withIndex()) {
                assertEquals(mean, pixels.map { it[channel] }.average(), 0.05)
            }
            val corners = listOf(0, sizePx - 1, sizePx * (sizePx - 1), sizePx * sizePx - 1)
            for ((place, expected) in corners.zip(run.rows("crop_corner_pixels"))) {
                for ((a, b) in pixels[place].zip(expected)) assertTrue(abs(a - b) <= 1)
            }
            val held = run.getJSONObject("outputs")
            return outputs.associateWith { flat(held.get(it)).toFloatArray() }
        }
    }

    private fun flat(value: Any): List<Float> =
        if (value is JSONArray) List(value.length()) { flat(value.get(it)) }.flatten()
        else listOf((value as Number).toFloat())

    /** By reflection: tests are compiled with Android's classes, which lack this one. */
    private fun picture(name: String): Picture {
        val read = Class.forName("javax.imageio.ImageIO").getMethod("read", File::class.java)
        val image = read.invoke(null, File(folder, name))
        val type = image.javaClass
        val (width, height) = listOf("getWidth", "getHeight").map {
            type.getMethod(it).invoke(image) as Int
        }
        val pixel = type.getMethod("getRGB", Int::class.java, Int::class.java)
        val rgb = ByteArray(3 * width * height)
        for (place in 0 until width * height) {
            val argb = pixel.invoke(image, place % width, place / width) as Int
            for (channel in 0..2) rgb[3 * place + channel] = (argb shr 16 - 8 * channel).toByte()
        }
        return Picture(width, height, rgb)
    }

    private fun assertHand(expected: JSONObject, hand: Hand) {
        assertEquals(expected.handedness(), hand.handedness)
        assertEquals(expected.number("p_right") ?: -1.0, hand.pRight ?: -1.0, 1e-5)
        assertEquals(expected.getDouble("score"), hand.score, 1e-5)
        for ((name, values) in mapOf(
            "uv_px" to hand.uvPx.flatMap { listOf(it.u, it.v) },
            "z_relative" to hand.zRelative,
            "confidence" to hand.confidence,
            "xyz_relative" to hand.xyzRelative.flatMap { listOf(it.x, it.y, it.z) },
        )) {
            val array = expected.getJSONArray(name)
            val wanted =
                if (array.get(0) is JSONArray) array.arrays().flatMap { it.numbers() }
                else array.numbers()
            assertEquals(wanted.size, values.size)
            for ((a, b) in wanted.zip(values)) assertEquals(name, a, b, 1e-4)
        }
    }

    private fun poseOf(network: Network) = HandPose(network, Detector(network, 0.5), recipe)

    @Test
    fun detections() {
        val held = golden.getJSONObject("detector")
        val maps = held.getJSONObject("outputs")
        val network = object : Network {
            override val sizePx = held.getInt("size_px")
            override val outputs = setOf("score", "box", "p_right", "up")

            override fun run(image: ByteArray) =
                outputs.associateWith { flat(maps.get(it)).toFloatArray() }
        }
        val detector = Detector(
            network, held.getDouble("threshold"), held.getDouble("least_up"),
        )
        val found = detector.detect(picture(held.getString("picture")))
        val expected = held.getJSONArray("detections").objects()
        assertEquals(expected.size, found.size)
        for ((wanted, one) in expected.zip(found)) {
            val edges = listOf(one.box.left, one.box.top, one.box.right, one.box.bottom)
            for ((a, b) in wanted.getJSONArray("box").numbers().zip(edges)) assertEquals(a, b, 1e-4)
            assertEquals(wanted.handedness(), one.handedness)
            assertEquals(wanted.getDouble("score"), one.score, 1e-6)
            assertEquals(wanted.number("p_right") ?: -1.0, one.pRight ?: -1.0, 1e-6)
            assertEquals(wanted.getDouble("upright_rad"), one.uprightRad, 1e-5)
        }
    }

    @Test
    fun allCases() {
        for (case in golden.getJSONArray("cases").objects()) {
            val picture = picture(case.getString("picture"))
            val asked = case.getJSONObject("detection")
            val (left, top, right, bottom) = asked.getJSONArray("box").numbers()
            val detection = Detection(
                Box(left, top, right, bottom), asked.handedness(), asked.getDouble("score"),
                asked.number("p_right"), asked.getDouble("upright_rad"),
            )
            val network = Replay(case.getJSONArray("runs").objects())
            val passes = if (case.isNull("passes")) null else case.getInt("passes")
            val hand = poseOf(network).read(picture, detection, passes)
            assertEquals(case.getJSONArray("runs").length(), network.count)
            assertHand(case.getJSONObject("hand"), hand)

            val next = case.getJSONObject("follow")
            val last = next.getJSONObject("last")
            val before = hand.copy(handedness = last.handedness(), uvPx = last.points())
            val again = Replay(next.getJSONArray("runs").objects())
            assertHand(next.getJSONObject("hand"), poseOf(again).follow(picture, before))
            assertEquals(next.getJSONArray("runs").length(), again.count)
        }
    }
}
