// A .tflite file that kerashand exported, run by LiteRT, whose Swift module is TensorFlowLite.

import Foundation
import TensorFlowLite

struct ModelError: LocalizedError {
    let errorDescription: String?
}

final class LiteRTNetwork: Network {
    /// Pose models also have a signature that takes a camera, hence the name.
    private static let signature = "serving_default"

    let sizePx: Int
    private let runner: SignatureRunner

    /// - Parameter outputs: names of the outputs that it must have.
    init(file: URL, outputs: [String]) throws {
        var options = Interpreter.Options()
        options.threadCount = 2
        let interpreter = try Interpreter(modelPath: file.path, options: options)
        let runner = try interpreter.signatureRunner(with: LiteRTNetwork.signature)
        let image = try runner.input(named: "image")
        let shape = image.shape.dimensions
        guard image.dataType == .uInt8, shape.count == 4, shape[1] == shape[2], shape[3] == 3,
            Set(outputs).isSubset(of: runner.outputs)
        else {
            throw ModelError(
                errorDescription: "\(file.lastPathComponent) is a model of another kind.")
        }
        sizePx = shape[1]
        self.runner = runner
    }

    func run(_ image: [UInt8]) throws -> [String: [Float]] {
        try runner.invoke(with: ["image": Data(image)])
        var values: [String: [Float]] = [:]
        for name in runner.outputs {
            let data = try runner.output(named: name).data
            let floats: [Float] = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            values[name] = floats
        }
        return values
    }
}

extension HandPose {
    /// The two models of the app.
    static func load() throws -> HandPose {
        let pose = try file("hand_pose")
        let finder = try file("hand_finder")
        let described = try description(of: finder)
        return HandPose(
            network: try LiteRTNetwork(file: pose, outputs: ["uv_px", "z_relative", "confidence"]),
            finder: Finder(
                network: try LiteRTNetwork(file: finder, outputs: ["score", "box", "right"]),
                threshold: Float(described["threshold"] as? Double ?? 0.5),
                leastScore: described["least_score"] as? Double ?? 0))
    }

    private static func file(_ name: String) throws -> URL {
        guard let url = Bundle.main.url(forResource: name, withExtension: "tflite") else {
            throw ModelError(errorDescription: "\(name).tflite is not in the app: see the README.")
        }
        return url
    }
}

/// What a file says about itself: kerashand.json in the zip archive at its end.
func description(of file: URL) throws -> [String: Any] {
    let bytes = [UInt8](try Data(contentsOf: file))
    let missing = ModelError(errorDescription: "\(file.lastPathComponent) holds no description.")
    func number(_ place: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    }
    func matches(_ place: Int, _ signature: [UInt8]) -> Bool {
        place >= 0 && place + signature.count <= bytes.count
            && Array(bytes[place..<place + signature.count]) == signature
    }
    // The archive's end, of 22 bytes, is the last thing in the file: archives get no comment.
    let end = bytes.count - 22
    guard matches(end, [0x50, 0x4b, 5, 6]) else { throw missing }
    var entry = number(end + 16, 4)
    while matches(entry, [0x50, 0x4b, 1, 2]) {
        let nameLength = number(entry + 28, 2)
        let name = String(decoding: bytes[entry + 46..<entry + 46 + nameLength], as: UTF8.self)
        if name == "kerashand.json" {
            let header = number(entry + 42, 4)
            let start = header + 30 + number(header + 26, 2) + number(header + 28, 2)
            var content = Data(bytes[start..<start + number(entry + 20, 4)])
            if number(entry + 10, 2) == 8 {  // deflated
                content = try (content as NSData).decompressed(using: .zlib) as Data
            }
            guard let values = try JSONSerialization.jsonObject(with: content) as? [String: Any]
            else { throw missing }
            return values
        }
        entry += 46 + nameLength + number(entry + 30, 2) + number(entry + 32, 2)
    }
    throw missing
}
