// A .tflite file that kerashand exported, run by LiteRT, whose Swift module is TensorFlowLite.

import Foundation
import TensorFlowLite

final class LiteRTNetwork: Network {
    /// Pose models also have a signature that takes a camera, hence the name.
    private static let signature = "serving_default"

    let sizePx: Int
    /// What the file says of itself.
    let description: Description
    let outputs: Set<String>
    private let runner: SignatureRunner

    /// - Parameters:
    ///   - task: what it must be.
    ///   - needed: names of the outputs that it must have.
    init(file: URL, task: String, needed: [String]) throws {
        // Before LiteRT sees it, which then verifies the structure of what it opens.
        description = try ModelFile(file).description
        var options = Interpreter.Options()
        options.threadCount = 2
        let interpreter = try Interpreter(modelPath: file.path, options: options)
        let runner = try interpreter.signatureRunner(with: LiteRTNetwork.signature)
        let image = try runner.input(named: "image")
        let shape = image.shape.dimensions
        outputs = Set(runner.outputs)
        guard description.task == task, image.dataType == .uInt8, shape.count == 4,
            shape[1] == shape[2], shape[3] == 3,
            outputs.isSuperset(of: needed)
        else {
            throw ModelError(
                errorDescription: "\(file.lastPathComponent) is no \(task), or a damaged one.")
        }
        sizePx = shape[1]
        self.runner = runner
    }

    func run(_ image: [UInt8]) throws -> [String: [Float]] {
        try runner.invoke(with: ["image": Data(image)])
        var values: [String: [Float]] = [:]
        for name in outputs {
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
        let pose = try LiteRTNetwork(
            file: file("hand_pose"), task: "hand_pose",
            needed: ["uv_px", "z_relative", "confidence"])
        let boxes = try LiteRTNetwork(
            file: file("hand_detector"), task: "hand_detector",
            needed: ["score", "box", "p_right"])
        let bone = pose.description.scaleBone ?? ""
        let threshold = boxes.description.threshold ?? 0.5
        let leastUp = boxes.description.leastUp ?? 0
        guard palmRatios[bone] != nil else {
            throw ModelError(errorDescription: "The pose model measures depth by another bone.")
        }
        guard [threshold, leastUp].allSatisfy({ (0...1).contains($0) }) else {
            throw ModelError(errorDescription: "The detector's scores are not 0 to 1.")
        }
        return HandPose(
            network: pose,
            detector: Detector(network: boxes, threshold: threshold, leastUp: leastUp),
            recipe: try pose.description.recipe ?? Recipe.usual(), scaleBone: bone)
    }

    private static func file(_ name: String) throws -> URL {
        guard let url = Bundle.main.url(forResource: name, withExtension: "tflite") else {
            throw ModelError(errorDescription: "\(name).tflite is not in the app: see the README.")
        }
        return url
    }
}
