// Squares cut from pictures: the arithmetic of kerashand/runtime/crop.py, in float32 as there.

import Foundation

/// RGB of 0..255, [height, width, 3].
struct Picture {
    let width: Int
    let height: Int
    let rgb: [UInt8]

    /// Whether a point lies in it: beyond its edges a picture is mirrored, hands there are none.
    func contains(_ point: Point) -> Bool {
        point.u >= -0.5 && point.u <= Double(width) - 0.5
            && point.v >= -0.5 && point.v <= Double(height) - 0.5
    }
}

/// Sample a crop [sizePx, sizePx, 3].
///
/// Bilinear; where a pixel of the crop covers several, these are averaged in blocks first.
/// Beyond the edge the picture is mirrored.
func cut(_ whole: Picture, _ cropFromImage: Affine, sizePx: Int) -> [UInt8] {
    var picture = whole
    var map = cropFromImage.inverse
    let shrink = abs(map.a * map.e - map.b * map.d).squareRoot() + 1e-9
    if shrink >= 2 {
        (picture, map) = averaged(whole, map, block: Int(shrink), sizePx: sizePx)
    }
    var crop = [UInt8](repeating: 0, count: sizePx * sizePx * 3)
    var place = 0
    picture.rgb.withUnsafeBufferPointer { rgb in
        for y in 0..<sizePx {
            for x in 0..<sizePx {
                let point = map(Double(x), Double(y))
                let (left, top) = (floor(point.u), floor(point.v))
                let (partU, partV) = (Float(point.u - left), Float(point.v - top))
                let column0 = mirrorIndex(Int(left), picture.width)
                let column1 = mirrorIndex(Int(left) + 1, picture.width)
                let row0 = mirrorIndex(Int(top), picture.height) * picture.width
                let row1 = mirrorIndex(Int(top) + 1, picture.height) * picture.width
                for channel in 0..<3 {
                    let (first, second) = (3 * column0 + channel, 3 * column1 + channel)
                    let upper = between(rgb[3 * row0 + first], rgb[3 * row0 + second], partU)
                    let lower = between(rgb[3 * row1 + first], rgb[3 * row1 + second], partU)
                    let value = upper * (1 - partV) + lower * partV
                    crop[place] = UInt8(value.rounded(.toNearestOrEven))
                    place += 1
                }
            }
        }
    }
    return crop
}

private func between(_ first: UInt8, _ second: UInt8, _ part: Float) -> Float {
    Float(first) * (1 - part) + Float(second) * part
}

/// The part of a picture that a crop covers, averaged in blocks, and the map from the crop to it.
private func averaged(
    _ picture: Picture, _ map: Affine, block: Int, sizePx: Int
) -> (Picture, Affine) {
    let last = Double(sizePx - 1)
    let corners = [map(0, 0), map(last, 0), map(0, last), map(last, last)]
    let columns = seenRange(corners.map(\.u), block: block, length: picture.width)
    let rows = seenRange(corners.map(\.v), block: block, length: picture.height)
    let width = (columns.count + block - 1) / block
    let height = (rows.count + block - 1) / block
    var rgb = [UInt8](repeating: 0, count: width * height * 3)
    var place = 0
    for row in 0..<height {
        for column in 0..<width {
            for channel in 0..<3 {
                var sum = 0
                for v in 0..<block {
                    // The last blocks repeat the edge of the part.
                    let y = min(rows.lowerBound + row * block + v, rows.upperBound - 1)
                    for u in 0..<block {
                        let x = min(columns.lowerBound + column * block + u, columns.upperBound - 1)
                        sum += Int(picture.rgb[3 * (y * picture.width + x) + channel])
                    }
                }
                let mean = Float(sum) / Float(block * block)
                rgb[place] = UInt8(mean.rounded(.toNearestOrEven))
                place += 1
            }
        }
    }
    // Pixel p of the picture lies at (p - low + 0.5) / block - 0.5.
    let scale = 1 / Double(block)
    let shiftU = (0.5 - Double(columns.lowerBound)) / Double(block) - 0.5
    let shiftV = (0.5 - Double(rows.lowerBound)) / Double(block) - 0.5
    let toSmall = Affine(
        a: scale * map.a, b: scale * map.b, c: scale * map.c + shiftU,
        d: scale * map.d, e: scale * map.e, f: scale * map.f + shiftV)
    return (Picture(width: width, height: height, rgb: rgb), toSmall)
}

/// The columns (or rows) of a picture that a crop needs.
private func seenRange(_ seen: [Double], block: Int, length: Int) -> Range<Int> {
    // Clipped as numbers first: a square may lie far outside.
    let margin = Double(block)
    let low = min(max(floor(seen.min() ?? 0) - margin, 0), Double(length - 1))
    let high = min(max(ceil(seen.max() ?? 0) + margin + 1, low + 1), Double(length))
    return Int(low)..<Int(high)
}

/// Reflect an index into 0..<size without repeating the edge.
private func mirrorIndex(_ index: Int, _ size: Int) -> Int {
    if size == 1 { return 0 }
    let period = 2 * (size - 1)
    let inside = abs(index) % period
    return inside >= size ? period - inside : inside
}
