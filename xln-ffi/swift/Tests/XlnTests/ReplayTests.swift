import Foundation
import XCTest

@testable import Xln

/// The logs of scenarios replay to the state roots that the Rust side had after each record.
final class ReplayTests: XCTestCase {
    private struct Life: Decodable {
        let entity: EntityId
        let snapshot: String?
        let records: [String]
        let roots: [[String: Hash]]
    }

    private func bytes(_ text: String) throws -> Data {
        let digits = Array(text.utf8.dropFirst(2))
        return try Data(
            stride(from: 0, to: digits.count, by: 2).map {
                try XCTUnwrap(UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16))
            })
    }

    func testScenariosGiveTheSameRoots() throws {
        let path = try XCTUnwrap(ProcessInfo.processInfo.environment["XLN_RECORDS"], "set by scripts/swift.sh")
        let folder = URL(fileURLWithPath: path)
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        XCTAssertFalse(files.isEmpty)
        var roots = 0
        for file in files {
            let life = try JSONDecoder().decode(Life.self, from: Data(contentsOf: file))
            let found = try replay(
                entity: life.entity, records: life.records.map(bytes), snapshot: life.snapshot.map(bytes)
            ).map { after in Dictionary(uniqueKeysWithValues: after.roots.map { ($0.peer.hex, $0.root) }) }
            XCTAssertEqual(found, life.roots, file.lastPathComponent)
            roots += found.reduce(0) { $0 + $1.count }
        }
        XCTAssertGreaterThan(roots, 100)
    }
}
