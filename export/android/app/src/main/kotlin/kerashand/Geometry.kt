// Points, boxes, squares and maps of the plane, as in kerashand/geometry/camera.py.
//
// Centres of pixels are integers, so that a picture W wide reaches from -0.5 to W - 0.5. Positive
// angles are clockwise on the screen.
package kerashand

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.atan2
import kotlin.math.cos
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin
import kotlin.math.sqrt

const val JOINTS = 21
const val WRIST = 0
const val MIDDLE_MCP = 9

/** Joint from which each joint hangs; -1 for the wrist. */
val PARENTS = intArrayOf(-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)

/** A box around joints is taken to be at least so large. */
private const val LEAST_BOX_PX = 8.0

/** Pairs of joints of the palm, which keep their distance. */
private val PALM_BONES = listOf(
    0 to 9, 0 to 5, 0 to 13, 0 to 17, 5 to 17, 5 to 13, 9 to 17, 0 to 1, 1 to 5, 1 to 9, 1 to 17,
)

/** Scale bones, and lengths of `PALM_BONES` in them, as in kerashand/geometry/root_depth.py. */
val PALM_RATIOS = mapOf(
    "wrist_middle_mcp" to
        listOf(1.0, 1.04, 0.96, 0.925, 0.65, 0.45, 0.41, 0.405, 0.715, 0.765, 0.855),
    "middle_mcp_pip" to
        listOf(1.985, 2.045, 1.9, 1.825, 1.29, 0.895, 0.835, 0.825, 1.415, 1.54, 1.7),
)

data class Point(val u: Double, val v: Double)

/** Right, down, away. */
data class Xyz(val x: Double, val y: Double, val z: Double)

/** From edge to edge, in pixels. */
data class Box(val left: Double, val top: Double, val right: Double, val bottom: Double) {
    val side get() = max(right - left, bottom - top)
    val centre get() = Point((left + right) / 2, (top + bottom) / 2)

    /** Intersection over union, 0..1. */
    fun overlap(other: Box): Double {
        val wide = max(min(right, other.right) - max(left, other.left), 0.0)
        val high = max(min(bottom, other.bottom) - max(top, other.top), 0.0)
        val all = area() + other.area() - wide * high
        return wide * high / max(all, 1e-12)
    }

    private fun area() = (right - left) * (bottom - top)

    companion object {
        fun around(points: List<Point>) =
            Box(
                points.minOf { it.u }, points.minOf { it.v },
                points.maxOf { it.u }, points.maxOf { it.v },
            )
    }
}

/** What is cut out: a square, and the turn of the picture about its centre before. */
data class View(val centre: Point, val sidePx: Double, val angleRad: Double)

/** The square of `margin` boxes around a box. */
fun squareAround(box: Box, margin: Double = 1.0, angleRad: Double = 0.0) =
    View(box.centre, box.side * margin, angleRad)

/** By how much a picture is turned so that a direction in it points up. */
fun uprightOf(u: Double, v: Double) = -PI / 2 - atan2(v, u)

/** The square of `margin` boxes in which a hand stands with its fingers up, and a turn more. */
fun viewOfJoints(uvPx: List<Point>, margin: Double, turnDeg: Double = 0.0): View {
    val (wrist, knuckle) = uvPx[WRIST] to uvPx[MIDDLE_MCP]
    val upright = uprightOf(knuckle.u - wrist.u, knuckle.v - wrist.v)
    return viewTurned(uvPx, upright, margin).copy(angleRad = upright + turnDeg * PI / 180)
}

/** Whether joints lie as they should in the square in which the network saw them. */
fun fits(view: View, uvPx: List<Point>, recipe: Recipe): Boolean {
    val own = viewTurned(uvPx, view.angleRad, recipe.margin)
    val off = hypot(own.centre.u - view.centre.u, own.centre.v - view.centre.v)
    return own.sidePx >= recipe.smallestFit * view.sidePx &&
        own.sidePx <= recipe.largestFit * view.sidePx && off <= recipe.mostShift * view.sidePx
}

/** The square of `margin` boxes around joints when the picture is turned by an angle. */
private fun viewTurned(uvPx: List<Point>, angle: Double, margin: Double): View {
    val (cos, sin) = cos(angle) to sin(angle)
    val box = Box.around(uvPx.map { Point(cos * it.u - sin * it.v, sin * it.u + cos * it.v) })
    val (u, v) = box.centre
    val side = max(box.side, LEAST_BOX_PX) * margin
    return View(Point(cos * u + sin * v, -sin * u + cos * v), side, angle)
}

/** The map u' = a u + b v + c, v' = d u + e v + f. */
class Affine(
    val a: Double, val b: Double, val c: Double,
    val d: Double, val e: Double, val f: Double,
) {
    operator fun invoke(u: Double, v: Double) = Point(a * u + b * v + c, d * u + e * v + f)

    /** Where the map takes a point from. */
    fun back(point: Point): Point {
        val determinant = a * e - b * d
        val (u, v) = point.u - c to point.v - f
        return Point((e * u - b * v) / determinant, (a * v - d * u) / determinant)
    }

    /**
     * The inverse map, by elimination with the larger pivot as NumPy does it: the formula with the
     * determinant would make 2.9999999999999996 of a shrinkage by 3, and another size of block.
     */
    fun inverse(): Affine {
        val swapped = abs(d) > abs(a)
        val (a, b, c) = if (swapped) listOf(d, e, f) else listOf(a, b, c)
        val (d, e, f) = if (swapped) listOf(this.a, this.b, this.c) else listOf(d, e, f)
        val factor = d / a
        val pivot = e - factor * b
        fun solve(first: Double, second: Double): Point {
            val v = (second - factor * first) / pivot
            return Point((first - b * v) / a, v)
        }
        val (x, y) = if (swapped) solve(0.0, 1.0) to solve(1.0, 0.0)
        else solve(1.0, 0.0) to solve(0.0, 1.0)
        val shift = solve(-c, -f)
        return Affine(x.u, y.u, shift.u, x.v, y.v, shift.v)
    }
}

/** Map from pixels of the picture to those of a crop; `mirrored` shows left hands as right ones. */
fun cropFromImage(view: View, sizePx: Int, mirrored: Boolean = false): Affine {
    val zoom = sizePx / view.sidePx
    val (cos, sin) = cos(view.angleRad) to sin(view.angleRad)
    val (u, v) = view.centre
    val middle = (sizePx - 1) / 2.0
    val a = zoom * cos
    val b = -zoom * sin
    val c = zoom * (u - (cos * u - sin * v)) + (middle - zoom * u)
    val d = zoom * sin
    val e = zoom * cos
    val f = zoom * (v - (sin * u + cos * v)) + (middle - zoom * v)
    return if (mirrored) Affine(-a, -b, -c + (sizePx - 1), d, e, f) else Affine(a, b, c, d, e, f)
}

/** Joints about the wrist in lengths of the scale bone, seen from far away: no camera is needed. */
fun relativeJoints(uvPx: List<Point>, zRelative: List<Double>, scaleBone: String): List<Xyz> {
    var (above, below) = 0.0 to 0.0
    for ((bone, ratio) in PALM_BONES.zip(PALM_RATIOS.getValue(scaleBone))) {
        val (a, b) = uvPx[bone.first] to uvPx[bone.second]
        val rise = zRelative[bone.first] - zRelative[bone.second]
        val expected = max(ratio * ratio - rise * rise, 0.01)
        above += ((a.u - b.u) * (a.u - b.u) + (a.v - b.v) * (a.v - b.v)) * expected
        below += expected * expected
    }
    val pixels = sqrt(max(above / below, 1e-12))
    return List(JOINTS) {
        Xyz(
            (uvPx[it].u - uvPx[WRIST].u) / pixels, (uvPx[it].v - uvPx[WRIST].v) / pixels,
            zRelative[it] - zRelative[WRIST],
        )
    }
}
