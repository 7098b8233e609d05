// How joints are read from a picture: numbers in the description of a pose model, as in
// kerashand/runtime/recipe.py, which says what each is.

import Foundation

struct ModelError: LocalizedError {
    let errorDescription: String?
}

/// The recipe of a file; what it does not say is as here.
struct Recipe: Decodable {
    let margin, sure, sureJoints, closer, firstWeight, smallestFit, largestFit: Double
    let mostShift, leastHand: Double
    let passes, extraPasses: Int
    let turnsDeg: [Double]
    // The rest is for apps that follow hands through a video.
    let leastScore, sameHand, doubled, minCutoffHz, beta, depthMinCutoffHz, depthBeta: Double
    let searchEveryFrames, checkEveryFrames, missesToLose, handednessFrames: Int

    /// - Throws: ModelError for an unknown name, or a value that is out of range.
    init(from decoder: any Decoder) throws {
        var values = try Values(decoder)
        // Above these largest values a file asks for work or crops without sense.
        margin = try values.number("margin", 1.3, largest: 4)
        passes = try values.count("passes", 2, largest: 16)
        sure = try values.number("sure", 0.9, largest: 1)
        sureJoints = try values.number("sure_joints", 0.6, largest: 1)
        extraPasses = try values.count("extra_passes", 3, largest: 16)
        closer = try values.number("closer", 0.95, largest: 4)
        turnsDeg = try values.turns("turns_deg", [0, -10, 10])
        firstWeight = try values.number("first_weight", 0.25)
        smallestFit = try values.number("smallest_fit", 0.75)
        largestFit = try values.number("largest_fit", 1.33)
        mostShift = try values.number("most_shift", 0.15)
        leastHand = try values.number("least_hand", 0.9, largest: 1)
        leastScore = try values.number("least_score", 0.2)
        searchEveryFrames = try values.count("search_every_frames", 5)
        checkEveryFrames = try values.count("check_every_frames", 15)
        missesToLose = try values.count("misses_to_lose", 2)
        sameHand = try values.number("same_hand", 0.3)
        doubled = try values.number("doubled", 0.6)
        handednessFrames = try values.count("handedness_frames", 30)
        minCutoffHz = try values.number("min_cutoff_hz", 1.2)
        beta = try values.number("beta", 6)
        depthMinCutoffHz = try values.number("depth_min_cutoff_hz", 1)
        depthBeta = try values.number("depth_beta", 0.7)
        try values.checkNames()
    }

    /// The recipe of a file that does not say any.
    static func usual() throws -> Recipe {
        try JSONDecoder().decode(Recipe.self, from: Data("{}".utf8))
    }
}

/// What a file says, and the names that were asked for.
private struct Values {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let given: KeyedDecodingContainer<Name>
    private var known: [String] = []

    init(_ decoder: any Decoder) throws {
        guard let given = try? decoder.container(keyedBy: Name.self) else {
            throw ModelError(errorDescription: "The `recipe` of a model must hold numbers by name.")
        }
        self.given = given
    }

    mutating func number(
        _ name: String, _ usual: Double, largest: Double = 1e6
    ) throws -> Double {
        try value(name, usual) { (0...largest).contains($0) }
    }

    mutating func count(_ name: String, _ usual: Int, largest: Double = 1e6) throws -> Int {
        Int(try value(name, Double(usual)) { (1...largest).contains($0) && $0 == $0.rounded() })
    }

    mutating func turns(_ name: String, _ usual: [Double]) throws -> [Double] {
        try value(name, usual) { list in
            (1...16).contains(list.count) && list.allSatisfy { (-180...180).contains($0) }
        }
    }

    /// The value of a name, if it is one of the right kind that passes a test.
    private mutating func value<Value: Decodable>(
        _ name: String, _ usual: Value, _ test: (Value) -> Bool
    ) throws -> Value {
        known.append(name)
        let key = Name(stringValue: name)
        guard given.contains(key) else { return usual }
        guard let value = try? given.decode(Value.self, forKey: key), test(value) else {
            throw ModelError(errorDescription: "The `recipe.\(name)` of a model is out of range.")
        }
        return value
    }

    func checkNames() throws {
        let foreign = given.allKeys.map(\.stringValue).filter { !known.contains($0) }
        guard foreign.isEmpty else {
            throw ModelError(
                errorDescription: "The `recipe` of a model may hold "
                    + known.joined(separator: ", ") + ". Received: "
                    + foreign.joined(separator: ", ").prefix(60))
        }
    }
}
