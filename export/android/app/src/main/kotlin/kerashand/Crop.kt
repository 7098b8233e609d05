// Squares cut from pictures: the arithmetic of kerashand/runtime/crop.py, in float32 as there.
package kerashand

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.min
import kotlin.math.round
import kotlin.math.sqrt

/** RGB of 0..255, [height, width, 3]. */
class Picture(val width: Int, val height: Int, val rgb: ByteArray) {
    fun at(column: Int, row: Int, channel: Int) =
        rgb[(row * width + column) * 3 + channel].toInt() and 0xff

    /** Whether a point lies in it: beyond its edges a picture is mirrored, hands there are none. */
    operator fun contains(point: Point) =
        point.u in -0.5..width - 0.5 && point.v in -0.5..height - 0.5
}

/**
 * Sample a crop [sizePx, sizePx, 3].
 *
 * Bilinear; where a crop's pixel covers several of the picture, these are averaged in blocks first.
 * Beyond the edge the picture is mirrored.
 */
fun cut(whole: Picture, cropFromImage: Affine, sizePx: Int): ByteArray {
    var map = cropFromImage.inverse()
    var picture = whole
    val shrink = sqrt(abs(map.a * map.e - map.b * map.d)) + 1e-9
    if (shrink >= 2) {
        val (small, toSmall) = averaged(whole, map, shrink.toInt(), sizePx)
        picture = small
        map = toSmall
    }
    val crop = ByteArray(sizePx * sizePx * 3)
    var place = 0
    for (y in 0 until sizePx) for (x in 0 until sizePx) {
        val (u, v) = map(x.toDouble(), y.toDouble())
        val (left, top) = floor(u) to floor(v)
        val (partU, partV) = (u - left).toFloat() to (v - top).toFloat()
        val left0 = mirrorIndex(left.toLong(), picture.width)
        val left1 = mirrorIndex(left.toLong() + 1, picture.width)
        val top0 = mirrorIndex(top.toLong(), picture.height)
        val top1 = mirrorIndex(top.toLong() + 1, picture.height)
        for (channel in 0..2) {
            fun line(row: Int) = between(
                picture.at(left0, row, channel), picture.at(left1, row, channel), partU,
            )
            crop[place++] = round(line(top0) * (1f - partV) + line(top1) * partV).toInt().toByte()
        }
    }
    return crop
}

private fun between(first: Int, second: Int, part: Float) = first * (1f - part) + second * part

/** The part of a picture that a crop covers, averaged in blocks, and the map to it. */
private fun averaged(
    picture: Picture, map: Affine, block: Int, sizePx: Int,
): Pair<Picture, Affine> {
    val last = sizePx - 1.0
    val corners = listOf(map(0.0, 0.0), map(last, 0.0), map(0.0, last), map(last, last))
    val columns = seenRange(corners.map { it.u }, block, picture.width)
    val rows = seenRange(corners.map { it.v }, block, picture.height)
    val (left, top) = columns.first to rows.first
    val width = (columns.last - left + block) / block
    val height = (rows.last - top + block) / block
    val rgb = ByteArray(width * height * 3)
    var place = 0
    for (row in 0 until height) for (column in 0 until width) for (channel in 0..2) {
        var sum = 0
        for (v in 0 until block) for (u in 0 until block) {
            // The last blocks repeat the edge of the part.
            val x = min(left + column * block + u, columns.last)
            sum += picture.at(x, min(top + row * block + v, rows.last), channel)
        }
        rgb[place++] = round(sum.toFloat() / (block * block)).toInt().toByte()
    }
    // Pixel p of the picture lies at (p - low + 0.5) / block - 0.5.
    val scale = 1.0 / block
    val shiftU = (0.5 - left) / block - 0.5
    val shiftV = (0.5 - top) / block - 0.5
    return Picture(width, height, rgb) to Affine(
        scale * map.a, scale * map.b, scale * map.c + shiftU,
        scale * map.d, scale * map.e, scale * map.f + shiftV,
    )
}

/** The columns (or rows) of a picture that a crop needs. */
private fun seenRange(seen: List<Double>, block: Int, length: Int): IntRange {
    // Clipped as numbers first: a square may lie far outside.
    val low = (floor(seen.min()) - block).coerceIn(0.0, length - 1.0)
    val high = (ceil(seen.max()) + block + 1).coerceIn(low + 1, length.toDouble())
    return low.toInt() until high.toInt()
}

/** Reflect an index into 0 until size without repeating the edge. */
private fun mirrorIndex(index: Long, size: Int): Int {
    if (size == 1) return 0
    val period = 2L * (size - 1)
    val inside = abs(index) % period
    return (if (inside >= size) period - inside else inside).toInt()
}
