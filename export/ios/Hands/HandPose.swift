// Hands of a picture: boxes from the detector, joints from a few passes of the pose model, as in
// kerashand/runtime/hand_pose.py, estimates.py and detector.py.

import Foundation

/// A model: a crop [sizePx, sizePx, 3] of RGB bytes to its outputs, flat, by name.
protocol Network {
    var sizePx: Int { get }
    /// Names of the outputs.
    var outputs: Set<String> { get }
    func run(_ image: [UInt8]) throws -> [String: [Float]]
}

enum Handedness: String, Decodable {
    case left, right

    init(pRight: Double) { self = pRight >= 0.5 ? .right : .left }
}

/// What may be a hand.
struct Detection {
    var box: Box
    var handedness: Handedness
    var score: Double
    /// How likely it is a right one, 0..1; nil where the handedness was given.
    var pRight: Double?
    /// By how much the picture is turned so that the hand's fingers point up.
    var uprightRad = 0.0
}

struct Hand {
    var handedness: Handedness
    /// How likely it is a right one, 0..1; nil where the caller gave the handedness.
    var pRight: Double?
    /// How likely there is a hand, 0..1; of a model that does not say, the mean of `confidence`.
    var score: Double
    /// Joints in pixels of the picture.
    var uvPx: [Point]
    /// Depths of the joints behind the wrist in lengths of the scale bone.
    var zRelative: [Double]
    /// Of each joint, 0..1.
    var confidence: [Double]
    /// Joints about the wrist in lengths of the scale bone: right, down, away.
    var xyzRelative: [[Double]]
    /// Around the joints.
    var box: Box { Box(around: uvPx) }
}

/// The detector: for each cell of a map whether a palm's middle lies there, the hand's box, and
/// which way it points, which a detector of before does not say.
struct Detector {
    let network: any Network
    let threshold: Double
    /// Length of `up` from which on the first crop of a hand is turned.
    var leastUp = 0.0

    private static let overlap = 0.35

    /// What may be hands of a picture, the surest first.
    func detect(_ picture: Picture) throws -> [Detection] {
        let whole = Box(
            left: -0.5, top: -0.5,
            right: Double(picture.width) - 0.5, bottom: Double(picture.height) - 0.5)
        let map = cropFromImage(CropView(squareAround: whole), sizePx: network.sizePx)
        let outputs = try network.run(cut(picture, map, sizePx: network.sizePx))
        let scores = outputs["score"] ?? []
        let corners = outputs["box"] ?? []
        let right = outputs["p_right"] ?? []
        var found: [Detection] = []
        let cells = scores.indices.filter { Double(scores[$0]) >= threshold }
        for cell in cells.sorted(by: { scores[$0] > scores[$1] }) {
            let edges = (0..<4).map { Double(corners[4 * cell + $0]) }
            let box = Box(around: [
                map.back(Point(u: edges[0], v: edges[1])),
                map.back(Point(u: edges[2], v: edges[3])),
            ])
            let doubled = found.contains { $0.box.overlap(box) >= Detector.overlap }
            if doubled || !picture.contains(box.centre) { continue }
            let pRight = Double(right[cell])
            let up = outputs["up"].map {
                Point(u: Double($0[2 * cell]), v: Double($0[2 * cell + 1]))
            }
            found.append(
                Detection(
                    box: box, handedness: Handedness(pRight: pRight),
                    score: Double(scores[cell]), pRight: pRight,
                    uprightRad: up.map(turn) ?? 0))
        }
        return found
    }

    private func turn(_ up: Point) -> Double {
        (up.u * up.u + up.v * up.v).squareRoot() < leastUp ? 0 : uprightOf(up)
    }
}

/// What one pass says; a left hand was seen mirrored.
private struct Estimate {
    var handedness: Handedness
    var fits: Bool
    var uvPx: [Point]
    var zRelative: [Double]
    var confidence: [Double]
    var score: Double
    var pRight: Double?

    func counts(_ handedness: Handedness) -> Bool { fits && self.handedness == handedness }

    /// Whether no other pass is needed: it fits, and surely saw a hand of its side, and joints.
    func isSure(_ recipe: Recipe) -> Bool {
        guard let pRight, fits else { return false }
        let pSeen = handedness == .right ? pRight : 1 - pRight
        return min(score, pSeen) > recipe.sure && weightedMean(confidence) > recipe.sureJoints
    }
}

struct HandPose {
    let network: any Network
    let detector: Detector
    let recipe: Recipe
    var scaleBone = "wrist_middle_mcp"

    /// How many more detections than hands are asked for are read: the pose model decides.
    private static let spareHands = 2
    /// Of a joint in a pass, so that two confidences of 0 have a mean.
    private static let leastWeight = 1e-6
    /// Probabilities are kept so far from 0 and 1: one pass must not outvote all others.
    private static let leastP = 1e-4

    /// Whether the model says itself which hand it sees, and whether there is one.
    private var hasHeads: Bool { network.outputs.isSuperset(of: ["p_right", "p_hand"]) }

    /// The hands of a picture, the surest first.
    ///
    /// - Parameter passes: of the pose model on each; nil as for `read`.
    func predict(_ picture: Picture, maxHands: Int = 2, passes: Int? = nil) throws -> [Hand] {
        var hands: [Hand] = []
        for detection in try detector.detect(picture).prefix(maxHands + HandPose.spareHands) {
            let hand = try read(picture, detection, passes: passes, leastHand: recipe.leastHand)
            if pHandOf(detection.score, hand.score) >= recipe.leastHand { hands.append(hand) }
        }
        var kept: [Hand] = []
        for hand in hands.sorted(by: { $0.score > $1.score }) {
            // Two detections of one hand lead to the same joints.
            let doubled = kept.contains { $0.box.overlap(hand.box) >= recipe.doubled }
            if !doubled { kept.append(hand) }
        }
        return Array(kept.prefix(maxHands))
    }

    /// The joints of a detection: the mean of `passes`, and a few more where the crop does not fit
    /// the joints or shows the wrong hand. Nil is one pass where that is sure, else as many as the
    /// recipe says. There is one pass alone where it is less likely a hand than `leastHand` by it.
    func read(
        _ picture: Picture, _ detection: Detection, passes: Int? = nil, leastHand: Double = 0
    ) throws -> Hand {
        let view = CropView(
            squareAround: detection.box, margin: recipe.margin, angleRad: detection.uprightRad)
        var estimates = [try pass(picture, view, detection.handedness)]
        let enough = passes == nil && estimates[0].isSure(recipe)
        if !enough, pHandOf(detection.score, estimates[0].score) >= leastHand {
            let wanted = passes ?? recipe.passes
            let most = wanted + (wanted > 1 ? recipe.extraPasses : 0)
            try more(picture, &estimates, said: detection.pRight, passes: wanted, most: most)
        }
        return hand(estimates, said: detection.pRight)
    }

    /// The hand of the frame before in the next one of a video: one pass where its joints were, and
    /// a few more where it has moved on. Its handedness stays; `pRight` is what the last pass says.
    func follow(_ picture: Picture, _ last: Hand) throws -> Hand {
        let view = CropView(ofJoints: last.uvPx, margin: recipe.margin)
        var estimates = [try pass(picture, view, last.handedness)]
        try more(picture, &estimates, said: nil, passes: 1, most: 1 + recipe.extraPasses)
        var now = hand([estimates[estimates.count - 1]], said: nil)
        now.pRight = estimates[estimates.count - 1].pRight
        return now
    }

    /// One run of the network, which knows right hands alone.
    private func pass(
        _ picture: Picture, _ view: CropView, _ handedness: Handedness
    ) throws -> Estimate {
        let mirrored = handedness == .left
        let map = cropFromImage(view, sizePx: network.sizePx, mirrored: mirrored)
        let outputs = try network.run(cut(picture, map, sizePx: network.sizePx))
            .mapValues { $0.map(Double.init) }
        func output(_ name: String, _ count: Int) throws -> [Double] {
            guard let values = outputs[name], values.count == count,
                values.allSatisfy(\.isFinite)
            else {
                throw ModelError(
                    errorDescription: "A model gives a wrong `\(name)`: its file is damaged.")
            }
            return values
        }
        let uv = try output("uv_px", 2 * jointCount)
        let uvPx = (0..<jointCount).map { map.back(Point(u: uv[2 * $0], v: uv[2 * $0 + 1])) }
        var estimate = Estimate(
            handedness: handedness, fits: view.fits(uvPx, recipe), uvPx: uvPx,
            zRelative: try output("z_relative", jointCount),
            confidence: try output("confidence", jointCount), score: 0)
        estimate.score = weightedMean(estimate.confidence)
        if hasHeads {
            let seenRight = try output("p_right", 1)[0]
            estimate.score = try output("p_hand", 1)[0]
            estimate.pRight = mirrored ? 1 - seenRight : seenRight
        }
        return estimate
    }

    /// Add passes until so many count, `most` at most.
    private func more(
        _ picture: Picture, _ estimates: inout [Estimate], said: Double?, passes: Int, most: Int
    ) throws {
        while estimates.count < most {
            let handedness = self.handedness(estimates, said)
            let good = estimates.filter { $0.counts(handedness) }.count
            if good >= passes { return }
            let turnDeg = recipe.turnsDeg[max(good - 1, 0) % recipe.turnsDeg.count]
            let view = CropView(
                ofJoints: estimates[estimates.count - 1].uvPx,
                margin: recipe.margin * recipe.closer, turnDeg: turnDeg)
            estimates.append(try pass(picture, view, handedness))
        }
    }

    private func handedness(_ estimates: [Estimate], _ said: Double?) -> Handedness {
        pRight(estimates, said).map(Handedness.init(pRight:)) ?? estimates[0].handedness
    }

    /// By the mean logit of all passes, or as the detector `said`; nil where it was given.
    private func pRight(_ estimates: [Estimate], _ said: Double?) -> Double? {
        if said == nil || !hasHeads { return said }
        let logits = estimates.map { logit($0.pRight ?? 0.5) }
        return probability(weightedMean(logits, weights(estimates.count)))
    }

    /// The probability of a hand by both models; kerashand/runtime/estimates.py says why so.
    private func pHandOf(_ detectorScore: Double, _ poseScore: Double) -> Double {
        probability(2 * logit(detectorScore) + logit(poseScore))
    }

    private func logit(_ p: Double) -> Double {
        let inside = min(max(p, HandPose.leastP), 1 - HandPose.leastP)
        return log(inside / (1 - inside))
    }

    private func probability(_ logit: Double) -> Double { 1 / (1 + exp(-logit)) }

    /// What each pass counts: the first less, unless it is the only one.
    private func weights(_ count: Int) -> [Double] {
        (0..<count).map { $0 > 0 || count == 1 ? 1 : recipe.firstWeight }
    }

    /// The mean of the passes that count; the last where none does.
    private func hand(_ estimates: [Estimate], said: Double?) -> Hand {
        let handedness = self.handedness(estimates, said)
        let all = weights(estimates.count)
        var counting = estimates.indices.filter { estimates[$0].counts(handedness) }
        if counting.isEmpty { counting = [estimates.count - 1] }
        let good = counting.map { estimates[$0] }
        let weights = counting.count == 1 ? [1] : counting.map { all[$0] }
        // Each joint counts by the weight of its pass times the square of its confidence.
        func mean(_ value: (Estimate, Int) -> Double) -> [Double] {
            (0..<jointCount).map { (joint: Int) -> Double in
                let shares = zip(good, weights).map { (estimate: Estimate, weight: Double) in
                    let confidence = estimate.confidence[joint]
                    return weight * confidence * confidence + HandPose.leastWeight
                }
                return weightedMean(good.map { value($0, joint) }, shares)
            }
        }
        let uvPx = zip(mean { $0.uvPx[$1].u }, mean { $0.uvPx[$1].v }).map { Point(u: $0, v: $1) }
        let zRelative = mean { $0.zRelative[$1] }
        let confidence = mean { $0.confidence[$1] }
        return Hand(
            handedness: handedness, pRight: pRight(estimates, said),
            score: hasHeads
                ? estimates.map(\.score).min() ?? 0 : weightedMean(confidence),
            uvPx: uvPx, zRelative: zRelative, confidence: confidence,
            xyzRelative: relativeJoints(uvPx, zRelative, scaleBone: scaleBone))
    }
}

private func weightedMean(_ values: [Double], _ weights: [Double]? = nil) -> Double {
    let weights = weights ?? [Double](repeating: 1, count: values.count)
    let total: Double = zip(values, weights).map { $0 * $1 }.reduce(0, +)
    return total / weights.reduce(0, +)
}
