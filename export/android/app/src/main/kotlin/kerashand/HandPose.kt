// Hands of a picture: boxes from the detector, joints from the pose model in a few looks, as in
// kerashand/runtime/hand_pose.py and detector.py.
package kerashand

import kotlin.math.ln

/** A model: a crop [sizePx, sizePx, 3] of RGB bytes to its outputs, flat, by name. */
interface Network {
    val sizePx: Int

    fun run(image: ByteArray): Map<String, FloatArray>
}

enum class Side { LEFT, RIGHT }

/** What may be a hand; `right` says how likely it is a right one, null where the side is known. */
class Detection(
    val box: Box,
    val side: Side,
    val score: Double,
    val right: Double? = null,
)

/**
 * One hand.
 *
 * `uvPx` are pixels of the picture, `zRelative` depths behind the wrist in lengths of wrist -
 * middle MCP, scores lie in 0..1.
 */
class Hand(
    val side: Side,
    val uvPx: List<Point>,
    val zRelative: List<Double>,
    val jointScores: List<Double>,
) {
    /** The mean of the joints', in a picture and in a video alike; the detector's is not in it. */
    val score get() = jointScores.average()
}

/** The detector: for each cell of a map whether a hand's middle lies there, its box and its side. */
class Detector(private val network: Network, private val threshold: Double, val leastScore: Double) {
    /** What may be hands of a picture, the surest first. */
    fun find(picture: Picture): List<Detection> {
        val whole = Box(-0.5, -0.5, picture.width - 0.5, picture.height - 0.5)
        val map = cropFromImage(squareAround(whole), network.sizePx)
        val outputs = network.run(cut(picture, map, network.sizePx))
        val (scores, corners, right) = listOf("score", "box", "right").map(outputs::getValue)
        val found = mutableListOf<Detection>()
        val cells = scores.indices.filter { scores[it] >= threshold }
        for (cell in cells.sortedByDescending { scores[it] }) {
            val (left, top, end, bottom) = List(4) { corners[4 * cell + it].toDouble() }
            val box = Box.around(listOf(map.back(Point(left, top)), map.back(Point(end, bottom))))
            if (box.centre !in picture || found.any { it.box.overlap(box) >= OVERLAP }) continue
            val side = if (right[cell] >= 0.5f) Side.RIGHT else Side.LEFT
            found += Detection(box, side, scores[cell].toDouble(), right[cell].toDouble())
        }
        return found
    }

    private companion object {
        const val OVERLAP = 0.35
    }
}

class HandPose(private val network: Network, private val detector: Detector) {
    /**
     * The hands of a picture, the surest first.
     *
     * Of the `passes` the first looks where the detector says, the second closer and with the fingers
     * up, further ones turned a little to either side; joints are the mean of all.
     */
    fun predict(picture: Picture, maxHands: Int = 2, passes: Int = 4): List<Hand> =
        detector.find(picture)
            .take(maxHands + SPARE_HANDS)
            .map { it to read(picture, it, passes, detector.leastScore) }
            .filter { (found, hand) -> found.score * hand.score >= detector.leastScore }
            .map { (_, hand) -> hand }
            .sortedByDescending { it.score }
            .take(maxHands)

    /**
     * The joints of a hand; what after two looks has less than `leastScore`, times the detector's
     * score, is not looked at again.
     */
    fun read(
        picture: Picture,
        found: Detection,
        passes: Int = 2,
        leastScore: Double = 0.0,
    ): Hand {
        val view = squareAround(found.box, HAND_MARGIN)
        var hand = firstLook(picture, found, view)
        if (passes > 1) hand = settled(picture, view, hand)
        for (number in 0 until passes - 1) {
            if (number > 0 && found.score * hand.score < leastScore) break
            val around = viewOfJoints(hand.uvPx)
            val turned = around.angleRad + TURNS_RAD[number % TURNS_RAD.size]
            val closer = View(around.centre, CLOSER * around.sidePx, turned)
            val again = look(picture, closer, hand.handedness)
            hand = blended(hand, again, EARLIER_LOOK + number)
        }
        return hand
    }

    /** The mean of what was seen before, which counts so many looks, and of a look. */
    private fun blended(before: Hand, now: Hand, beforeCounts: Double): Hand {
        val shares = List(JOINTS) {
            val first = beforeCounts * before.jointScores[it] * before.jointScores[it] + LEAST_WEIGHT
            val second = now.jointScores[it] * now.jointScores[it] + LEAST_WEIGHT
            second / (first + second)
        }
        fun mean(a: List<Double>, b: List<Double>) =
            List(JOINTS) { a[it] + shares[it] * (b[it] - a[it]) }
        return Hand(
            side = now.handedness,
            uvPx = List(JOINTS) {
                val a = before.uvPx[it]
                val b = now.uvPx[it]
                Point(a.u + shares[it] * (b.u - a.u), a.v + shares[it] * (b.v - a.v))
            },
            zRelative = mean(before.zRelative, now.zRelative),
            jointScores = mean(before.jointScores, now.jointScores),
        )
    }

    /**
     * The hand of the frame before in the next one of a video: a look where its joints were, and a
     * look more or a few where it has moved on.
     */
    fun follow(picture: Picture, last: Hand): Hand {
        val view = viewOfJoints(last.uvPx)
        return settled(picture, view, look(picture, view, last.handedness))
    }

    /** The hand of a look at a view, looked for again until the view fits its joints. */
    private fun settled(picture: Picture, view: View, hand: Hand): Hand {
        var (asked, seen) = view to hand
        var searches = 0
        while (searches++ < MOST_SEARCHES && !fits(asked, seen.uvPx)) {
            asked = viewOfJoints(seen.uvPx)
            seen = look(picture, asked, seen.side)
        }
        return seen
    }

    /** Look where the detector says; with a doubtful side as both, and keep what fits better. */
    private fun firstLook(picture: Picture, found: Detection, view: View): Hand {
        val right = found.right
        if (right == null || right <= SURE_SIDE || right >= 1 - SURE_SIDE) {
            return look(picture, view, found.handedness)
        }
        val asRight = look(picture, view, Side.RIGHT)
        val asLeft = look(picture, view, Side.LEFT)
        val odds = ln(right / (1 - right)) + SIDE_BY_JOINTS * (asRight.score - asLeft.score)
        return if (odds >= 0) asRight else asLeft
    }

    private fun look(picture: Picture, view: View, side: Side): Hand {
        val map = cropFromImage(view, network.sizePx, mirrored = side == Side.LEFT)
        val outputs = network.run(cut(picture, map, network.sizePx))
        val uv = outputs.getValue("uv_px").map { it.toDouble() }
        return Hand(
            side = side,
            uvPx = List(JOINTS) { map.back(Point(uv[2 * it], uv[2 * it + 1])) },
            zRelative = outputs.getValue("z_relative").map { it.toDouble() },
            jointScores = outputs.getValue("confidence").map { it.toDouble() },
        )
    }

    private companion object {
        /** How many more than asked for are looked at: joints decide which of them are hands. */
        const val SPARE_HANDS = 2

        /** The detector's word on the side is taken where it is surer than this. */
        const val SURE_SIDE = 0.05

        /** Logarithm of the odds that a difference of 1 in the mean score of joints stands for. */
        const val SIDE_BY_JOINTS = 24.0

        /** Looks that only tell where to look next, before those that count. */
        const val MOST_SEARCHES = 3

        /** What the first look counts beside the next. */
        const val EARLIER_LOOK = 0.25

        /** Squares of further looks, beside that of the joints. */
        const val CLOSER = 0.95

        /** Of further looks against fingers up, again from the front after the last. */
        val TURNS_RAD = doubleArrayOf(0.0, -Math.PI / 18, Math.PI / 18)

        /** Of a joint in a look, so that two scores of 0 have a mean. */
        const val LEAST_WEIGHT = 1e-6
    }
}
