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

/// Side of the square that shows a hand to the pose model, in boxes around its joints.
let handMargin = 1.3

/// Joints on one spot still need a square that can be cut.
private let leastSpanPx = 8.0

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

/// What is cut out: a square, and the turn of the picture about its centre before.
struct CropView {
    var centre: Point
    var sidePx: Double
    var angleRad: Double

    /// The view in which a model first looks at a box.
    init(squareAround box: Box, margin: Double = 1) {
        centre = box.centre
        sidePx = box.side * margin
        angleRad = 0
    }

    /// The view in which a hand stands with its fingers up; the pose model is better at those.
    init(ofJoints uvPx: [Point]) {
        let upU = uvPx[middleMcp].u - uvPx[wrist].u
        let upV = uvPx[middleMcp].v - uvPx[wrist].v
        self.init(ofJoints: uvPx, turned: -Double.pi / 2 - atan2(upV, upU))
    }

    /// The view that shows joints when the picture is turned by an angle.
    init(ofJoints uvPx: [Point], turned angle: Double) {
        let (cosine, sine) = (cos(angle), sin(angle))
        let turned = uvPx.map { point in
            Point(u: cosine * point.u - sine * point.v, v: sine * point.u + cosine * point.v)
        }
        let box = Box(around: turned)
        let (u, v) = (box.centre.u, box.centre.v)
        centre = Point(u: cosine * u + sine * v, v: -sine * u + cosine * v)
        sidePx = max(box.side, leastSpanPx) * handMargin
        angleRad = angle
    }

    /// A view fits joints if theirs is so many times as large and its centre so near, in sides.
    private static let fittingSide = 0.75...1.33
    private static let fittingShift = 0.15

    /// Whether the joints that a look saw lie as they should in this view, which it had.
    func fits(_ uvPx: [Point]) -> Bool {
        let asked = CropView(ofJoints: uvPx, turned: angleRad)
        let off = hypot(asked.centre.u - centre.u, asked.centre.v - centre.v)
        return CropView.fittingSide.contains(asked.sidePx / sidePx)
            && off <= CropView.fittingShift * sidePx
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
