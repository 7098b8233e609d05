// Hands of a picture: boxes from the detector, joints from a few passes of the pose model, as in
// kerashand/runtime/hand_pose.py, estimates.py and detector.py.
package kerashand

import kotlin.math.exp
import kotlin.math.hypot
import kotlin.math.ln
import kotlin.math.max

/** A model: a crop [sizePx, sizePx, 3] of RGB bytes to its outputs, flat, by name. */
interface Network {
    val sizePx: Int

    /** Names of the outputs. */
    val outputs: Set<String>

    fun run(image: ByteArray): Map<String, FloatArray>
}

enum class Handedness { LEFT, RIGHT }

private fun handednessOf(pRight: Double) = if (pRight >= 0.5) Handedness.RIGHT else Handedness.LEFT

/**
 * What may be a hand; `pRight` says how likely it is a right one, null where that was given, and
 * `uprightRad` by how much the picture is turned so that its fingers point up.
 */
class Detection(
    val box: Box,
    val handedness: Handedness,
    val score: Double,
    val pRight: Double? = null,
    val uprightRad: Double = 0.0,
)

/**
 * One hand.
 *
 * `uvPx` are pixels of the picture, `zRelative` depths behind the wrist in lengths of the scale
 * bone, `xyzRelative` joints about the wrist in the same unit. `pRight`, `score` and `confidence`
 * lie in 0..1; `pRight` is null where the caller gave the handedness.
 */
data class Hand(
    val handedness: Handedness,
    val pRight: Double?,
    val score: Double,
    val uvPx: List<Point>,
    val zRelative: List<Double>,
    val confidence: List<Double>,
    val xyzRelative: List<Xyz>,
) {
    /** Around the joints. */
    val box get() = Box.around(uvPx)
}

/**
 * The detector: for each cell of a map whether a palm's middle lies there, the hand's box, and
 * which way it points, which a detector of before does not say.
 */
class Detector(
    private val network: Network,
    private val threshold: Double,
    private val leastUp: Double = 0.0,
) {
    /** What may be hands of a picture, the surest first. */
    fun detect(picture: Picture): List<Detection> {
        val whole = Box(-0.5, -0.5, picture.width - 0.5, picture.height - 0.5)
        val map = cropFromImage(squareAround(whole), network.sizePx)
        val outputs = network.run(cut(picture, map, network.sizePx))
        val (scores, corners, right) = listOf("score", "box", "p_right").map(outputs::getValue)
        val found = mutableListOf<Detection>()
        val cells = scores.indices.filter { scores[it] >= threshold }
        for (cell in cells.sortedByDescending { scores[it] }) {
            val (left, top, end, bottom) = List(4) { corners[4 * cell + it].toDouble() }
            val box = Box.around(listOf(map.back(Point(left, top)), map.back(Point(end, bottom))))
            if (box.centre !in picture || found.any { it.box.overlap(box) >= OVERLAP }) continue
            val pRight = right[cell].toDouble()
            val up = outputs["up"]?.let { List(2) { axis -> it[2 * cell + axis].toDouble() } }
            val turn = if (up == null || hypot(up[0], up[1]) < leastUp) 0.0
            else uprightOf(up[0], up[1])
            val score = scores[cell].toDouble()
            found += Detection(box, handednessOf(pRight), score, pRight, turn)
        }
        return found
    }

    private companion object {
        const val OVERLAP = 0.35
    }
}

/** What one pass says; a left hand was seen mirrored. */
private class Estimate(
    val handedness: Handedness,
    val fits: Boolean,
    val uvPx: List<Point>,
    val zRelative: List<Double>,
    val confidence: List<Double>,
    val score: Double,
    val pRight: Double?,
) {
    fun counts(handedness: Handedness) = fits && this.handedness == handedness

    /** Whether no other pass is needed: it fits, and surely saw a hand of its side, and joints. */
    fun isSure(recipe: Recipe): Boolean {
        if (pRight == null || !fits) return false
        val pSeen = if (handedness == Handedness.RIGHT) pRight else 1 - pRight
        return minOf(score, pSeen) > recipe.sure && confidence.average() > recipe.sureJoints
    }
}

class HandPose(
    private val network: Network,
    private val detector: Detector,
    val recipe: Recipe = Recipe(),
    private val scaleBone: String = "wrist_middle_mcp",
) {
    /** Whether the model says itself which hand it sees, and whether there is one. */
    private val hasHeads = network.outputs.containsAll(listOf("p_right", "p_hand"))

    /** The hands of a picture, the surest first; `passes` as for `read`. */
    fun predict(picture: Picture, maxHands: Int = 2, passes: Int? = null): List<Hand> =
        detector.detect(picture)
            .take(maxHands + SPARE_HANDS)
            .map { it to read(picture, it, passes, recipe.leastHand) }
            .filter { (found, hand) -> pHandOf(found.score, hand.score) >= recipe.leastHand }
            .map { (_, hand) -> hand }
            .sortedByDescending { it.score }
            .fold(listOf<Hand>()) { kept, hand ->
                // Two detections of one hand lead to the same joints.
                if (kept.any { it.box.overlap(hand.box) >= recipe.doubled }) kept else kept + hand
            }
            .take(maxHands)

    /**
     * The joints of a detection: the mean of `passes`, and a few more where the crop does not fit
     * the joints or shows the wrong hand. Null is one pass where that is sure, else as many as the
     * recipe says. There is one pass alone where it is less likely a hand than `leastHand` by it.
     */
    fun read(
        picture: Picture,
        detection: Detection,
        passes: Int? = null,
        leastHand: Double = 0.0,
    ): Hand {
        val view = squareAround(detection.box, recipe.margin, detection.uprightRad)
        val estimates = mutableListOf(pass(picture, view, detection.handedness))
        val enough = passes == null && estimates[0].isSure(recipe)
        if (!enough && pHandOf(detection.score, estimates[0].score) >= leastHand) {
            val wanted = passes ?: recipe.passes
            val most = wanted + if (wanted > 1) recipe.extraPasses else 0
            more(picture, estimates, detection.pRight, wanted, most)
        }
        return hand(estimates, detection.pRight)
    }

    /**
     * The hand of the frame before in the next one of a video: one pass where its joints were, and
     * a few more where it has moved on. Its handedness stays; `pRight` is what the last pass says.
     */
    fun follow(picture: Picture, last: Hand): Hand {
        val view = viewOfJoints(last.uvPx, recipe.margin)
        val estimates = mutableListOf(pass(picture, view, last.handedness))
        more(picture, estimates, said = null, passes = 1, most = 1 + recipe.extraPasses)
        return hand(estimates.takeLast(1), said = null).copy(pRight = estimates.last().pRight)
    }

    /** One run of the network, which knows right hands alone. */
    private fun pass(picture: Picture, view: View, handedness: Handedness): Estimate {
        val mirrored = handedness == Handedness.LEFT
        val map = cropFromImage(view, network.sizePx, mirrored)
        val outputs = network.run(cut(picture, map, network.sizePx))
            .mapValues { (_, values) -> values.map { it.toDouble() } }
        val uv = outputs.getValue("uv_px")
        val uvPx = List(JOINTS) { map.back(Point(uv[2 * it], uv[2 * it + 1])) }
        val confidence = outputs.getValue("confidence")
        return Estimate(
            handedness, fits(view, uvPx, recipe), uvPx, outputs.getValue("z_relative"), confidence,
            score = if (hasHeads) outputs.getValue("p_hand")[0] else confidence.average(),
            pRight = if (!hasHeads) null
            else outputs.getValue("p_right")[0].let { if (mirrored) 1 - it else it },
        )
    }

    /** Add passes until so many count, `most` at most. */
    private fun more(
        picture: Picture, estimates: MutableList<Estimate>, said: Double?, passes: Int, most: Int,
    ) {
        while (estimates.size < most) {
            val handedness = handedness(estimates, said)
            val good = estimates.count { it.counts(handedness) }
            if (good >= passes) return
            val turnDeg = recipe.turnsDeg[max(good - 1, 0) % recipe.turnsDeg.size]
            val view = viewOfJoints(estimates.last().uvPx, recipe.margin * recipe.closer, turnDeg)
            estimates += pass(picture, view, handedness)
        }
    }

    private fun handedness(estimates: List<Estimate>, said: Double?) =
        pRight(estimates, said)?.let(::handednessOf) ?: estimates[0].handedness

    /** By the mean logit of all passes, or as the detector `said`; null where it was given. */
    private fun pRight(estimates: List<Estimate>, said: Double?): Double? {
        if (said == null || !hasHeads) return said
        return probability(mean(estimates.map { logit(it.pRight!!) }, weights(estimates.size)))
    }

    /** The probability of a hand by both models; kerashand/runtime/estimates.py says why so. */
    private fun pHandOf(detectorScore: Double, poseScore: Double) =
        probability(2 * logit(detectorScore) + logit(poseScore))

    private fun logit(p: Double) =
        p.coerceIn(LEAST_P, 1 - LEAST_P).let { ln(it / (1 - it)) }

    private fun probability(logit: Double) = 1 / (1 + exp(-logit))

    /** What each pass counts: the first less, unless it is the only one. */
    private fun weights(count: Int) =
        List(count) { if (it > 0 || count == 1) 1.0 else recipe.firstWeight }

    /** The mean of the passes that count; the last where none does. */
    private fun hand(estimates: List<Estimate>, said: Double?): Hand {
        val handedness = handedness(estimates, said)
        val all = weights(estimates.size)
        val counting = estimates.indices.filter { estimates[it].counts(handedness) }
            .ifEmpty { listOf(estimates.lastIndex) }
        val good = counting.map { estimates[it] }
        val weights = if (good.size == 1) listOf(1.0) else counting.map { all[it] }
        // Each joint counts by the weight of its pass times the square of its confidence.
        fun mean(value: (Estimate, Int) -> Double) = List(JOINTS) { joint ->
            val shares = good.zip(weights) { estimate, weight ->
                weight * estimate.confidence[joint] * estimate.confidence[joint] + LEAST_WEIGHT
            }
            mean(good.map { value(it, joint) }, shares)
        }
        val us = mean { estimate, joint -> estimate.uvPx[joint].u }
        val vs = mean { estimate, joint -> estimate.uvPx[joint].v }
        val uvPx = us.zip(vs, ::Point)
        val zRelative = mean { estimate, joint -> estimate.zRelative[joint] }
        val confidence = mean { estimate, joint -> estimate.confidence[joint] }
        return Hand(
            handedness, pRight(estimates, said),
            score = if (hasHeads) estimates.minOf { it.score } else confidence.average(),
            uvPx, zRelative, confidence, relativeJoints(uvPx, zRelative, scaleBone),
        )
    }

    private fun mean(values: List<Double>, weights: List<Double>) =
        values.zip(weights) { value, weight -> value * weight }.sum() / weights.sum()

    private companion object {
        /** How many more detections than hands are asked for are read: the pose model decides. */
        const val SPARE_HANDS = 2

        /** Of a joint in a pass, so that two confidences of 0 have a mean. */
        const val LEAST_WEIGHT = 1e-6

        /** Probabilities are kept so far from 0 and 1: one pass must not outvote all others. */
        const val LEAST_P = 1e-4
    }
}
