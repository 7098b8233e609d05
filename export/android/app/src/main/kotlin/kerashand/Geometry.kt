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

const val JOINTS = 21
const val WRIST = 0
const val MIDDLE_MCP = 9

/** Joint from which each joint hangs; -1 for the wrist. */
val PARENTS = intArrayOf(-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)

/** Side of the square that shows a hand to the pose model, in boxes around its joints. */
const val HAND_MARGIN = 1.3

/** Joints on one spot still need a square that can be cut. */
private const val LEAST_SPAN_PX = 8.0

data class Point(val u: Double, val v: Double)

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

/** The view in which a model first looks at a box. */
fun squareAround(box: Box, margin: Double = 1.0) = View(box.centre, box.side * margin, 0.0)

/** The view in which a hand stands with its fingers up; the pose model is better at those. */
fun viewOfJoints(uvPx: List<Point>): View {
    val (wrist, knuckle) = uvPx[WRIST] to uvPx[MIDDLE_MCP]
    return viewTurned(uvPx, -PI / 2 - atan2(knuckle.v - wrist.v, knuckle.u - wrist.u))
}

/** A view fits joints if theirs is so many times as large and its centre so near, in sides. */
private val FITTING_SIDE = 0.75..1.33
private const val FITTING_SHIFT = 0.15

/** Whether the joints that a look saw lie as they should in the view that it had. */
fun fits(view: View, uvPx: List<Point>): Boolean {
    val asked = viewTurned(uvPx, view.angleRad)
    val off = hypot(asked.centre.u - view.centre.u, asked.centre.v - view.centre.v)
    return asked.sidePx / view.sidePx in FITTING_SIDE && off <= FITTING_SHIFT * view.sidePx
}

/** The view that shows joints when the picture is turned by an angle. */
private fun viewTurned(uvPx: List<Point>, angle: Double): View {
    val (cos, sin) = cos(angle) to sin(angle)
    val box = Box.around(uvPx.map { Point(cos * it.u - sin * it.v, sin * it.u + cos * it.v) })
    val (u, v) = box.centre
    val side = max(box.side, LEAST_SPAN_PX) * HAND_MARGIN
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
