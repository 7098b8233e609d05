// Hands of a picture: boxes from the detector, joints from the pose model in a few looks, as in
// kerashand/runtime/hand_pose.py and detector.py.

import Foundation

/// A model: a crop [sizePx, sizePx, 3] of RGB bytes to its outputs, flat, by name.
protocol Network {
    var sizePx: Int { get }
    func run(_ image: [UInt8]) throws -> [String: [Float]]
}

enum Side: String {
    case left, right
}

/// What may be a hand.
struct Detection {
    var box: Box
    var side: Side
    var score: Double
    /// How likely it is a right one, 0..1; nil where the side is known.
    var right: Double?
}

struct Hand {
    var side: Side
    /// Joints in pixels of the picture.
    var uvPx: [Point]
    /// Depths of the joints behind the wrist in lengths of wrist - middle MCP.
    var zRelative: [Double]
    /// 0..1.
    var jointScores: [Double]
    /// The mean of the joints', in a picture and in a video alike; the detector's is not in it.
    var score: Double { mean(jointScores) }
}

/// The detector: for each cell of a map whether a hand's middle lies there, its box and its side.
struct Detector {
    let network: any Network
    let threshold: Float
    let leastScore: Double

    private static let overlap = 0.35

    /// What may be hands of a picture, the surest first.
    func find(_ picture: Picture) throws -> [Detection] {
        let whole = Box(
            left: -0.5, top: -0.5,
            right: Double(picture.width) - 0.5, bottom: Double(picture.height) - 0.5)
        let map = cropFromImage(CropView(squareAround: whole), sizePx: network.sizePx)
        let outputs = try network.run(cut(picture, map, sizePx: network.sizePx))
        let scores = outputs["score"] ?? []
        let corners = outputs["box"] ?? []
        let right = outputs["right"] ?? []
        var found: [Detection] = []
        let cells = scores.indices.filter { scores[$0] >= threshold }
        for cell in cells.sorted(by: { scores[$0] > scores[$1] }) {
            let edges = (0..<4).map { Double(corners[4 * cell + $0]) }
            let box = Box(around: [
                map.back(Point(u: edges[0], v: edges[1])),
                map.back(Point(u: edges[2], v: edges[3])),
            ])
            let doubled = found.contains { $0.box.overlap(box) >= Detector.overlap }
            if doubled || !picture.contains(box.centre) { continue }
            found.append(
                Detection(
                    box: box, handedness: right[cell] >= 0.5 ? .right : .left,
                    score: Double(scores[cell]), right: Double(right[cell])))
        }
        return found
    }
}

struct HandPose {
    let network: any Network
    let detector: Detector

    /// How many more than asked for are looked at: joints decide which of them are hands.
    private static let spareHands = 2
    /// The detector's word on the side is taken where it is surer than this.
    private static let sureSide = 0.05
    /// Looks that only tell where to look next, before those that count.
    private static let mostSearches = 3
    /// What the first look counts beside the next.
    private static let earlierLook = 0.25
    /// Squares of further looks, beside that of the joints.
    private static let closer = 0.95
    /// Of further looks against fingers up, again from the front after the last.
    private static let turnsRad = [0, -Double.pi / 18, Double.pi / 18]
    /// Of a joint in a look, so that two scores of 0 have a mean.
    private static let leastWeight = 1e-6
    /// Logarithm of the odds that a difference of 1 in the mean score of the joints stands for.
    private static let sideByJoints = 24.0

    /// The hands of a picture, the surest first.
    ///
    /// Of the `passes` the first looks where the detector says, the second closer and with the
    /// fingers up, further ones turned a little to either side; joints are the mean of all.
    func predict(_ picture: Picture, maxHands: Int = 2, passes: Int = 4) throws -> [Hand] {
        let found = try detector.find(picture).prefix(maxHands + HandPose.spareHands)
        var hands: [Hand] = []
        for candidate in found {
            let hand = try read(
                picture, candidate, passes: passes, leastScore: detector.leastScore)
            if candidate.score * hand.score >= detector.leastScore { hands.append(hand) }
        }
        return Array(hands.sorted { $0.score > $1.score }.prefix(maxHands))
    }

    /// The joints of a hand; what after two looks has less than `leastScore`, times the detector's
    /// score, is not looked at again.
    func read(
        _ picture: Picture, _ found: Detection, passes: Int = 2, leastScore: Double = 0
    ) throws -> Hand {
        let given = CropView(squareAround: found.box, margin: handMargin)
        var hand = try firstLook(picture, found, given)
        if passes < 2 { return hand }
        hand = try settled(picture, given, hand)
        for number in 0..<(passes - 1) {
            if number > 0 && found.score * hand.score < leastScore { break }
            var view = CropView(ofJoints: hand.uvPx)
            view.sidePx *= HandPose.closer
            view.angleRad += HandPose.turnsRad[number % HandPose.turnsRad.count]
            let again = try look(picture, view, side: hand.handedness)
            hand = blended(hand, again, beforeCounts: HandPose.earlierLook + Double(number))
        }
        return hand
    }

    /// The mean of what was seen before, which counts so many looks, and of a look.
    private func blended(_ before: Hand, _ now: Hand, beforeCounts: Double) -> Hand {
        let shares = zip(before.jointScores, now.jointScores).map { earlier, later in
            let first = beforeCounts * earlier * earlier + HandPose.leastWeight
            let second = later * later + HandPose.leastWeight
            return second / (first + second)
        }
        func mean(_ a: [Double], _ b: [Double]) -> [Double] {
            shares.indices.map { a[$0] + shares[$0] * (b[$0] - a[$0]) }
        }
        var hand = now
        hand.uvPx = shares.indices.map {
            let (a, b) = (before.uvPx[$0], now.uvPx[$0])
            return Point(u: a.u + shares[$0] * (b.u - a.u), v: a.v + shares[$0] * (b.v - a.v))
        }
        hand.zRelative = mean(before.zRelative, now.zRelative)
        hand.jointScores = mean(before.jointScores, now.jointScores)
        return hand
    }

    /// The hand of the frame before in the next one of a video: a look where its joints were, and a
    /// look more or a few where it has moved on.
    func follow(_ picture: Picture, _ last: Hand) throws -> Hand {
        let view = CropView(ofJoints: last.uvPx)
        return try settled(picture, view, try look(picture, view, side: last.handedness))
    }

    /// The hand of a look at a view, looked for again until the view fits its joints.
    private func settled(_ picture: Picture, _ view: CropView, _ hand: Hand) throws -> Hand {
        var (asked, seen) = (view, hand)
        for _ in 0..<HandPose.mostSearches where !asked.fits(seen.uvPx) {
            asked = CropView(ofJoints: seen.uvPx)
            seen = try look(picture, asked, side: seen.side)
        }
        return seen
    }

    /// Look where the detector says; with a doubtful side as both, and keep what fits better.
    private func firstLook(
        _ picture: Picture, _ found: Detection, _ view: CropView
    ) throws -> Hand {
        guard let right = found.right, right > HandPose.sureSide, right < 1 - HandPose.sureSide
        else {
            return try look(picture, view, side: found.handedness)
        }
        let asRight = try look(picture, view, side: .right)
        let asLeft = try look(picture, view, side: .left)
        let gain = asRight.score - asLeft.score
        let odds = log(right / (1 - right)) + HandPose.sideByJoints * gain
        return odds >= 0 ? asRight : asLeft
    }

    private func look(_ picture: Picture, _ view: CropView, side: Side) throws -> Hand {
        let map = cropFromImage(view, sizePx: network.sizePx, mirrored: side == .left)
        let outputs = try network.run(cut(picture, map, sizePx: network.sizePx))
        let uv = outputs["uv_px"] ?? []
        return Hand(
            side: side,
            uvPx: (0..<jointCount).map {
                map.back(Point(u: Double(uv[2 * $0]), v: Double(uv[2 * $0 + 1])))
            },
            zRelative: (outputs["z_relative"] ?? []).map(Double.init),
            jointScores: (outputs["confidence"] ?? []).map(Double.init))
    }
}

private func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
}
