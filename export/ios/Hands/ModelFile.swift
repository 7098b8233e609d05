// What an exported .tflite file says of itself, and whether it is what the export wrote, as in
// kerashand/runtime/model_file.py and operators.py.

import CryptoKit
import Foundation

/// What a model file says of itself.
struct Description: Decodable {
    struct Checksum: Decodable {
        let bytes: Int
        let sha256: String
    }

    let task: String?
    let checksum: Checksum?
    let scaleBone: String?
    let recipe: Recipe?
    let threshold: Double?
    let leastUp: Double?

    private enum CodingKeys: String, CodingKey {
        case task, checksum, recipe, threshold
        case scaleBone = "scale_bone"
        case leastUp = "least_up"
    }
}

/// Operators that networks of kerashand are made of; kerashand/runtime/operators.py names them.
let operators: Set<Int> = [
    0, 1, 2, 3, 4, 6, 9, 14, 17, 18, 19, 22, 23, 40, 41, 42, 45, 47, 53, 55, 57, 59, 69, 74, 75, 76, 82,
    83, 98, 99, 114
]
private let customOperator = 32

/// A model file: a network, and behind it a zip archive with its description.
struct ModelFile {
    let description: Description

    /// - Throws: ModelError unless the network has the checksum in the description and is made of
    ///   `operators` alone.
    init(_ file: URL) throws {
        let name = file.lastPathComponent
        let whole = Bytes(content: [UInt8](try Data(contentsOf: file)), name: name)
        let text = try whole.description()
        do {
            description = try JSONDecoder().decode(Description.self, from: text)
        } catch let error as DecodingError {
            throw ModelError(errorDescription: "\(name) is damaged: its description is \(error).")
        }
        let size = description.checksum?.bytes ?? -1
        let fits = size >= 0 && size <= whole.content.count
        let network = Bytes(content: Array(whole.content.prefix(fits ? size : 0)), name: name)
        let digest = SHA256.hash(data: Data(network.content))
        let digits = digest.map { String(format: "%02x", $0) }.joined()
        guard fits, digits == description.checksum?.sha256 else {
            throw ModelError(
                errorDescription: "\(name) is damaged: it does not have the checksum of its export.")
        }
        let foreign = try network.operators().subtracting(operators)
        guard foreign.isEmpty else {
            throw ModelError(errorDescription: "\(name) holds other operators: \(foreign.sorted()).")
        }
    }
}

/// Bytes of a file, numbers with the lowest byte first.
private struct Bytes {
    let content: [UInt8]
    let name: String

    func number(_ place: Int, _ count: Int) throws -> Int {
        try check(place, count)
        return (0..<count).reduce(0) { $0 | Int(content[place + $1]) << (8 * $1) }
    }

    private func check(_ place: Int, _ count: Int) throws {
        guard place >= 0, count >= 0, place <= content.count - count else {
            throw ModelError(
                errorDescription: "\(name) is damaged: it points to a place beyond its end.")
        }
    }

    /// kerashand.json in the zip archive at the end.
    func description() throws -> Data {
        let missing = ModelError(errorDescription: "\(name) holds no description.")
        // The archive's end, of 22 bytes, is the last thing in the file: archives get no comment.
        let end = content.count - 22
        guard end >= 0, try number(end, 4) == 0x0605_4b50 else { throw missing }
        var entry = try number(end + 16, 4)
        while try number(entry, 4) == 0x0201_4b50 {
            let nameLength = try number(entry + 28, 2)
            if try text(entry + 46, nameLength) == "kerashand.json" {
                let header = try number(entry + 42, 4)
                let start = header + 30 + (try number(header + 26, 2)) + (try number(header + 28, 2))
                let size = try number(entry + 20, 4)
                // Exports store it as it is.
                guard try number(entry + 10, 2) == 0 else { throw missing }
                try check(start, size)
                return Data(content[start..<start + size])
            }
            entry += 46 + nameLength + (try number(entry + 30, 2)) + (try number(entry + 32, 2))
        }
        throw missing
    }

    private func text(_ place: Int, _ count: Int) throws -> String {
        try check(place, count)
        return String(decoding: content[place..<place + count], as: UTF8.self)
    }

    /// Numbers of the operators that a network declares: tables of FlatBuffers.
    func operators() throws -> Set<Int> {
        guard let list = try field(try number(0, 4), 1) else { return [] }
        let vector = list + (try number(list, 4))
        var found: Set<Int> = []
        for index in 0..<(try number(vector, 4)) {
            let place = vector + 4 + 4 * index
            let table = place + (try number(place, 4))
            var code = 0
            if let old = try field(table, 0) {
                code = Int(Int8(truncatingIfNeeded: try number(old, 1)))
            }
            if let now = try field(table, 3) {
                code = max(code, Int(Int32(truncatingIfNeeded: try number(now, 4))))
            }
            found.insert(try field(table, 1) == nil ? code : customOperator)
        }
        return found
    }

    /// Where a field of a table lies; nil where it has its default.
    private func field(_ table: Int, _ index: Int) throws -> Int? {
        let layout = table - Int(Int32(truncatingIfNeeded: try number(table, 4)))
        let entry = 4 + 2 * index
        if entry + 2 > (try number(layout, 2)) { return nil }
        let offset = try number(layout + entry, 2)
        return offset == 0 ? nil : table + offset
    }
}
