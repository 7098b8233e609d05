// What the Python runtime does with ten pictures, in tests/golden of the repository.

import CoreGraphics
import ImageIO
import XCTest

@testable import Hands

private let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().appendingPathComponent("../../../tests/golden").standardized

private struct Golden: Decodable {
    let sizePx: Int
    let cases: [Case]
    let detector: Maps

    struct Maps: Decodable {
        struct Outputs: Decodable {
            let score, pRight: [[Float]]
            let box, up: [[[Float]]]
        }

        let picture: String
        let sizePx: Int
        let threshold, leastUp: Double
        let outputs: Outputs
        let detections: [Found]
    }

    struct Case: Decodable {
        let picture: String
        let detection: Found
        let passes: Int?
        let runs: [Run]
        let hand: Expected
        let follow: Follow
    }

    struct Found: Decodable {
        let box: [Double]
        let handedness: Handedness
        let score: Double
        let pRight: Double?
        let uprightRad: Double
    }

    struct Run: Decodable {
        let cropMean: [Double]
        let cropCornerPixels: [[Int]]
        let outputs: Outputs
    }

    struct Outputs: Decodable {
        let uvPx: [[Float]]
        let zRelative, confidence: [Float]
        let pRight, pHand: Float
    }

    struct Expected: Decodable {
        let handedness: Handedness
        let pRight: Double?
        let score: Double
        let uvPx, xyzRelative: [[Double]]
        let zRelative, confidence: [Double]
    }

    struct Follow: Decodable {
        struct Last: Decodable {
            let uvPx: [[Double]]
            let handedness: Handedness
        }

        let last: Last
        let runs: [Run]
        let hand: Expected
    }
}

/// Its recipe stands apart, as names in a recipe are read as they are written.
private struct Head: Decodable {
    let recipe: Recipe
}

/// Gives recorded outputs, and compares the crops with those of Python.
private final class Replay: Network {
    let sizePx: Int
    let outputs: Set<String> = ["uv_px", "z_relative", "confidence", "p_right", "p_hand"]
    private let runs: [Golden.Run]
    private(set) var count = 0

    init(_ runs: [Golden.Run], sizePx: Int) {
        self.runs = runs
        self.sizePx = sizePx
    }

    func run(_ image: [UInt8]) throws -> [String: [Float]] {
        let run = runs[count]
        count += 1
        for channel in 0..<3 {
            let values = stride(from: channel, to: image.count, by: 3).map { Double(image[$0]) }
            let mean = values.reduce(0, +) / Double(values.count)
            XCTAssertEqual(mean, run.cropMean[channel], accuracy: 0.05)
        }
        let corners = [0, sizePx - 1, sizePx * (sizePx - 1), sizePx * sizePx - 1]
        for (place, expected) in zip(corners, run.cropCornerPixels) {
            for channel in 0..<3 {
                let value = Int(image[3 * place + channel])
                XCTAssertLessThanOrEqual(abs(value - expected[channel]), 1)
            }
        }
        let held = run.outputs
        return [
            "uv_px": Array(held.uvPx.joined()), "z_relative": held.zRelative,
            "confidence": held.confidence, "p_right": [held.pRight], "p_hand": [held.pHand],
        ]
    }
}

/// Says the same of every picture.
private struct Fixed: Network {
    let sizePx: Int
    let maps: [String: [Float]]
    var outputs: Set<String> { Set(maps.keys) }

    func run(_ image: [UInt8]) throws -> [String: [Float]] { maps }
}

final class GoldenTests: XCTestCase {
    private func golden() throws -> (Recipe, Golden) {
        let text = try Data(contentsOf: folder.appendingPathComponent("golden.json"))
        let decoder = JSONDecoder()
        let recipe = try decoder.decode(Head.self, from: text).recipe
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return (recipe, try decoder.decode(Golden.self, from: text))
    }

    func testDetections() throws {
        let held = try golden().1.detector
        let network = Fixed(
            sizePx: held.sizePx,
            maps: [
                "score": Array(held.outputs.score.joined()),
                "box": Array(held.outputs.box.joined().joined()),
                "p_right": Array(held.outputs.pRight.joined()),
                "up": Array(held.outputs.up.joined().joined()),
            ])
        let picture = try pixels(folder.appendingPathComponent(held.picture))
        let detector = Detector(
            network: network, threshold: held.threshold, leastUp: held.leastUp)
        let found = try detector.detect(picture)
        XCTAssertEqual(found.count, held.detections.count)
        for (one, wanted) in zip(found, held.detections) {
            let edges = [one.box.left, one.box.top, one.box.right, one.box.bottom]
            for (a, b) in zip(edges, wanted.box) { XCTAssertEqual(a, b, accuracy: 1e-4) }
            XCTAssertEqual(one.handedness, wanted.handedness)
            XCTAssertEqual(one.score, wanted.score, accuracy: 1e-6)
            XCTAssertEqual(one.pRight ?? -1, wanted.pRight ?? -1, accuracy: 1e-6)
            XCTAssertEqual(one.uprightRad, wanted.uprightRad, accuracy: 1e-5)
        }
    }

    func testAllCases() throws {
        let (recipe, golden) = try golden()
        XCTAssertFalse(golden.cases.isEmpty)
        for one in golden.cases {
            let picture = try pixels(folder.appendingPathComponent(one.picture))
            let network = Replay(one.runs, sizePx: golden.sizePx)
            let box = one.detection.box
            let detection = Detection(
                box: Box(left: box[0], top: box[1], right: box[2], bottom: box[3]),
                handedness: one.detection.handedness, score: one.detection.score,
                pRight: one.detection.pRight, uprightRad: one.detection.uprightRad)
            let hand = try pose(network, recipe).read(picture, detection, passes: one.passes)
            XCTAssertEqual(network.count, one.runs.count)
            compare(hand, one.hand)

            let next = Replay(one.follow.runs, sizePx: golden.sizePx)
            var last = hand
            last.handedness = one.follow.last.handedness
            last.uvPx = one.follow.last.uvPx.map { Point(u: $0[0], v: $0[1]) }
            compare(try pose(next, recipe).follow(picture, last), one.follow.hand)
            XCTAssertEqual(next.count, one.follow.runs.count)
        }
    }

    func testWrongRecipesAreRefused() throws {
        let decoder = JSONDecoder()
        let recipe = try decoder.decode(
            Recipe.self, from: Data(#"{"passes": 3, "turns_deg": [5, -5]}"#.utf8))
        XCTAssertEqual(recipe.passes, 3)
        XCTAssertEqual(recipe.turnsDeg, [5, -5])
        XCTAssertEqual(recipe.margin, try Recipe.usual().margin)
        for wrong in [
            #"{"pases": 3}"#, #"{"passes": 0}"#, #"{"passes": 17}"#, #"{"passes": 1.5}"#,
            #"{"passes": "3"}"#, #"{"passes": true}"#, #"{"margin": -1}"#, #"{"margin": null}"#,
            #"{"turns_deg": []}"#, #"{"turns_deg": [181]}"#, #"{"turns_deg": 5}"#, "[]",
        ] {
            XCTAssertThrowsError(try decoder.decode(Recipe.self, from: Data(wrong.utf8))) { error in
                XCTAssert("\(error)".contains("`recipe"), "\(wrong): \(error)")
            }
        }
    }

    private func pose(_ network: Replay, _ recipe: Recipe) -> HandPose {
        HandPose(
            network: network, detector: Detector(network: network, threshold: 0.5), recipe: recipe)
    }

    private func compare(_ hand: Hand, _ expected: Golden.Expected) {
        XCTAssertEqual(hand.handedness, expected.handedness)
        XCTAssertEqual(hand.pRight ?? -1, expected.pRight ?? -1, accuracy: 1e-5)
        XCTAssertEqual(hand.score, expected.score, accuracy: 1e-5)
        for (values, wanted) in [
            (hand.uvPx.flatMap { [$0.u, $0.v] }, Array(expected.uvPx.joined())),
            (hand.zRelative, expected.zRelative), (hand.confidence, expected.confidence),
            (Array(hand.xyzRelative.joined()), Array(expected.xyzRelative.joined())),
        ] {
            XCTAssertEqual(values.count, wanted.count)
            for (a, b) in zip(values, wanted) { XCTAssertEqual(a, b, accuracy: 1e-4) }
        }
    }
}

/// The pixels of a file as they stand there, without a change of colours.
private func pixels(_ file: URL) throws -> Picture {
    let source = try XCTUnwrap(CGImageSourceCreateWithURL(file as CFURL, nil))
    let image = try XCTUnwrap(CGImageSourceCreateImageAtIndex(source, 0, nil))
    let space = try XCTUnwrap(image.colorSpace)
    var rgba = [UInt8](repeating: 0, count: 4 * image.width * image.height)
    try rgba.withUnsafeMutableBytes { memory in
        let context = try XCTUnwrap(
            CGContext(
                data: memory.baseAddress, width: image.width, height: image.height,
                bitsPerComponent: 8, bytesPerRow: 4 * image.width, space: space,
                bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue))
        context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
    }
    let rgb = rgba.indices.filter { $0 % 4 < 3 }.map { rgba[$0] }
    return Picture(width: image.width, height: image.height, rgb: rgb)
}
