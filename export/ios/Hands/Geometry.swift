// Points, boxes, squares and maps of the plane, as in kerashand/geometry/camera.py.
//
// Centres of pixels are integers, so that a picture W wide reaches from -0.5 to W - 0.5. Positive
// angles are clockwise on the screen.

import Foundation

let jointCount = 21
let wrist = 0
let middleMcp = 9

/// Joint from which each joint hangs; -1 for the wrist.
let parents = [-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]

/// A box around joints is taken to be at least so large.
private let leastBoxPx = 8.0

/// Pairs of joints of the palm, which keep their distance.
private let palmBones = [
    (0, 9), (0, 5), (0, 13), (0, 17), (5, 17), (5, 13), (9, 17), (0, 1), (1, 5), (1, 9), (1, 17),
]

/// Scale bones, and lengths of `palmBones` in them, as in kerashand/geometry/root_depth.py.
let palmRatios = [
    "wrist_middle_mcp": [1, 1.04, 0.96, 0.925, 0.65, 0.45, 0.41, 0.405, 0.715, 0.765, 0.855],
    "middle_mcp_pip": [1.985, 2.045, 1.9, 1.825, 1.29, 0.895, 0.835, 0.825, 1.415, 1.54, 1.7],
]

struct Point {
    var u: Double
    var v: Double
}

/// From edge to edge, in pixels.
struct Box {
    var left: Double
    var top: Double
    var right: Double
    var bottom: Double

    init(left: Double, top: Double, right: Double, bottom: Double) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    init(around points: [Point]) {
        left = points.map(\.u).min() ?? 0
        top = points.map(\.v).min() ?? 0
        right = points.map(\.u).max() ?? 0
        bottom = points.map(\.v).max() ?? 0
    }

    var side: Double { max(right - left, bottom - top) }
    var centre: Point { Point(u: (left + right) / 2, v: (top + bottom) / 2) }
    private var area: Double { (right - left) * (bottom - top) }

    /// Intersection over union, 0..1.
    func overlap(_ other: Box) -> Double {
        let wide = max(min(right, other.right) - max(left, other.left), 0)
        let high = max(min(bottom, other.bottom) - max(top, other.top), 0)
        return wide * high / max(area + other.area - wide * high, 1e-12)
    }
}

/// By how much a picture is turned, in radians, so that a direction in it points up.
func uprightOf(_ up: Point) -> Double { -Double.pi / 2 - atan2(up.v, up.u) }

/// What is cut out: a square, and the turn of the picture about its centre before.
struct CropView {
    var centre: Point
    var sidePx: Double
    var angleRad: Double

    /// The square of `margin` boxes around a box.
    init(squareAround box: Box, margin: Double = 1, angleRad: Double = 0) {
        centre = box.centre
        sidePx = box.side * margin
        self.angleRad = angleRad
    }

    /// The square of `margin` boxes in which a hand stands with its fingers up, and a turn more.
    init(ofJoints uvPx: [Point], margin: Double, turnDeg: Double = 0) {
        let up = Point(
            u: uvPx[middleMcp].u - uvPx[wrist].u, v: uvPx[middleMcp].v - uvPx[wrist].v)
        self.init(ofJoints: uvPx, turned: uprightOf(up), margin: margin)
        angleRad += turnDeg * Double.pi / 180
    }

    /// The square of `margin` boxes around joints when the picture is turned by an angle.
    private init(ofJoints uvPx: [Point], turned angle: Double, margin: Double) {
        let (cosine, sine) = (cos(angle), sin(angle))
        let turned = uvPx.map { point in
            Point(u: cosine * point.u - sine * point.v, v: sine * point.u + cosine * point.v)
        }
        let box = Box(around: turned)
        let (u, v) = (box.centre.u, box.centre.v)
        centre = Point(u: cosine * u + sine * v, v: -sine * u + cosine * v)
        sidePx = max(box.side, leastBoxPx) * margin
        angleRad = angle
    }

    /// Whether joints lie as they should in this square, in which the network saw them.
    func fits(_ uvPx: [Point], _ recipe: Recipe) -> Bool {
        let own = CropView(ofJoints: uvPx, turned: angleRad, margin: recipe.margin)
        let off = hypot(own.centre.u - centre.u, own.centre.v - centre.v)
        return own.sidePx >= recipe.smallestFit * sidePx
            && own.sidePx <= recipe.largestFit * sidePx && off <= recipe.mostShift * sidePx
    }
}

/// The map u' = a u + b v + c, v' = d u + e v + f.
struct Affine {
    var a: Double
    var b: Double
    var c: Double
    var d: Double
    var e: Double
    var f: Double

    func callAsFunction(_ u: Double, _ v: Double) -> Point {
        Point(u: a * u + b * v + c, v: d * u + e * v + f)
    }

    /// Where the map takes a point from.
    func back(_ point: Point) -> Point {
        let determinant = a * e - b * d
        let (u, v) = (point.u - c, point.v - f)
        return Point(u: (e * u - b * v) / determinant, v: (a * v - d * u) / determinant)
    }

    /// The inverse map, by elimination with the larger pivot as NumPy does it: the formula with the
    /// determinant would make 2.9999999999999996 of a shrinkage by 3, and another size of block.
    var inverse: Affine {
        let swapped = abs(d) > abs(a)
        let first = swapped ? (d, e, f) : (a, b, c)
        let second = swapped ? (a, b, c) : (d, e, f)
        let factor = second.0 / first.0
        let pivot = second.1 - factor * first.1
        func solve(_ one: Double, _ two: Double) -> Point {
            let v = (two - factor * one) / pivot
            return Point(u: (one - first.1 * v) / first.0, v: v)
        }
        let x = swapped ? solve(0, 1) : solve(1, 0)
        let y = swapped ? solve(1, 0) : solve(0, 1)
        let shift = solve(-first.2, -second.2)
        return Affine(a: x.u, b: y.u, c: shift.u, d: x.v, e: y.v, f: shift.v)
    }
}

/// Map from pixels of the picture to those of a crop; `mirrored` shows left hands as right ones.
func cropFromImage(_ view: CropView, sizePx: Int, mirrored: Bool = false) -> Affine {
    let zoom = Double(sizePx) / view.sidePx
    let (cosine, sine) = (cos(view.angleRad), sin(view.angleRad))
    let (u, v) = (view.centre.u, view.centre.v)
    let last = Double(sizePx - 1)
    let c = zoom * (u - (cosine * u - sine * v)) + (last / 2 - zoom * u)
    let f = zoom * (v - (sine * u + cosine * v)) + (last / 2 - zoom * v)
    var map = Affine(
        a: zoom * cosine, b: -zoom * sine, c: c,
        d: zoom * sine, e: zoom * cosine, f: f)
    if mirrored {
        map.a = -map.a
        map.b = -map.b
        map.c = -map.c + last
    }
    return map
}

/// Joints about the wrist in lengths of the scale bone, seen from far away: no camera is needed.
func relativeJoints(_ uvPx: [Point], _ zRelative: [Double], scaleBone: String) -> [[Double]] {
    var (above, below) = (0.0, 0.0)
    for (bone, ratio) in zip(palmBones, palmRatios[scaleBone] ?? []) {
        let (a, b) = (uvPx[bone.0], uvPx[bone.1])
        let rise = zRelative[bone.0] - zRelative[bone.1]
        let expected = max(ratio * ratio - rise * rise, 0.01)
        above += ((a.u - b.u) * (a.u - b.u) + (a.v - b.v) * (a.v - b.v)) * expected
        below += expected * expected
    }
    let pixels = max(above / below, 1e-12).squareRoot()
    return zip(uvPx, zRelative).map { point, z in
        [
            (point.u - uvPx[wrist].u) / pixels, (point.v - uvPx[wrist].v) / pixels,
            z - zRelative[wrist],
        ]
    }
}
