// How joints are read from a picture: numbers in the description of a pose model, as in
// kerashand/runtime/recipe.py, which says what each is.
package kerashand

import java.io.IOException
import org.json.JSONArray
import org.json.JSONObject

/** The recipe of a file; what it does not say is as here. Throws IOException where it is wrong. */
class Recipe(private val given: JSONObject = JSONObject()) {
    private val known = mutableSetOf<String>()

    // Above these largest values a file asks for work or crops without sense.
    val margin = number("margin", 1.3, largest = 4.0)
    val passes = count("passes", 2, largest = 16.0)
    val sure = number("sure", 0.9, largest = 1.0)
    val sureJoints = number("sure_joints", 0.6, largest = 1.0)
    val extraPasses = count("extra_passes", 3, largest = 16.0)
    val closer = number("closer", 0.95, largest = 4.0)
    val turnsDeg = turns("turns_deg", listOf(0.0, -10.0, 10.0))
    val firstWeight = number("first_weight", 0.25)
    val smallestFit = number("smallest_fit", 0.75)
    val largestFit = number("largest_fit", 1.33)
    val mostShift = number("most_shift", 0.15)
    val leastHand = number("least_hand", 0.9, largest = 1.0)

    // The rest is for apps that follow hands through a video.
    val leastScore = number("least_score", 0.2)
    val searchEveryFrames = count("search_every_frames", 5)
    val checkEveryFrames = count("check_every_frames", 15)
    val missesToLose = count("misses_to_lose", 2)
    val sameHand = number("same_hand", 0.3)
    val doubled = number("doubled", 0.6)
    val handednessFrames = count("handedness_frames", 30)
    val minCutoffHz = number("min_cutoff_hz", 1.2)
    val beta = number("beta", 6.0)
    val depthMinCutoffHz = number("depth_min_cutoff_hz", 1.0)
    val depthBeta = number("depth_beta", 0.7)

    init {
        val names = known.joinToString()
        for (name in given.keys()) if (name !in known) throw IOException(
            "The `recipe` of a model may hold $names. Received: ${"$name".take(60)}"
        )
    }

    private fun number(name: String, default: Double, largest: Double = 1e6): Double {
        known += name
        return checked(name, given.opt(name) ?: return default, 0.0..largest)
    }

    private fun count(name: String, default: Int, largest: Double = 1e6): Int {
        val value = number(name, default.toDouble(), largest)
        if (value < 1 || value % 1 != 0.0) throw wrong(name, value)
        return value.toInt()
    }

    private fun turns(name: String, default: List<Double>): List<Double> {
        known += name
        val list = given.opt(name) ?: return default
        if (list !is JSONArray || list.length() !in 1..16) throw wrong(name, list)
        return List(list.length()) { checked(name, list.get(it), -180.0..180.0) }
    }

    private fun checked(name: String, value: Any, range: ClosedRange<Double>): Double {
        if (value !is Number || value.toDouble() !in range) throw wrong(name, value)
        return value.toDouble()
    }

    private fun wrong(name: String, value: Any) =
        IOException("The `recipe.$name` of a model is out of range. Received: ${"$value".take(60)}")
}
