import Foundation
import XCTest

@testable import Xln

/// The project's golden vectors give the same through the bindings.
final class VectorTests: XCTestCase {
    private typealias Vector = [String: Any]

    private func vectors(_ name: String) throws -> [Vector] {
        let root = ProcessInfo.processInfo.environment["XLN_ROOT"] ?? "../.."
        let file = URL(fileURLWithPath: root).appendingPathComponent("xln-core/tests/vectors/\(name).json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let vectors = try XCTUnwrap(json?["vectors"] as? [Vector])
        XCTAssertFalse(vectors.isEmpty, name)
        return vectors
    }

    private func text(_ vector: Vector, _ name: String) throws -> String { try XCTUnwrap(vector[name] as? String, name) }

    private func bytes(_ vector: Vector, _ name: String) throws -> Data {
        let digits = Array(try text(vector, name).dropFirst(2))
        return try Data(
            stride(from: 0, to: digits.count, by: 2).map { try XCTUnwrap(UInt8(String(digits[$0...$0 + 1]), radix: 16)) })
    }

    func testDeriveDelta() throws {
        for vector in try vectors("derive_delta") {
            let (name, input) = (try text(vector, "name"), try XCTUnwrap(vector["input"] as? Vector))
            func amount(_ field: String) throws -> Amount { try Amount(text(input, field)) }
            let delta = Delta(
                collateral: try amount("collateral"), ondelta: try SignedAmount(text(input, "ondelta")),
                offdelta: try SignedAmount(text(input, "offdelta")), leftCreditLimit: try amount("leftCreditLimit"),
                rightCreditLimit: try amount("rightCreditLimit"), leftAllowance: try amount("leftAllowance"),
                rightAllowance: try amount("rightAllowance"))
            if vector["error"] != nil {
                XCTAssertThrowsError(try deriveDelta(delta: delta, side: .left), name)
                continue
            }
            let expect = try XCTUnwrap(vector["expect"] as? [String: [String: String]])
            for (side, view) in [("left", try deriveDelta(delta: delta, side: .left)), ("right", try deriveDelta(delta: delta, side: .right))] {
                let found = Dictionary(
                    uniqueKeysWithValues: Mirror(reflecting: view).children.map { ($0.label!, String(describing: $0.value)) })
                for (field, value) in try XCTUnwrap(expect[side]) { XCTAssertEqual(found[field], value, "\(name) \(side) \(field)") }
            }
        }
    }

    func testSignatures() throws {
        for vector in try vectors("signatures") {
            let (key, digest) = (try LocalKey(secret: bytes(vector, "secret")), try Hash(text(vector, "digest")))
            XCTAssertEqual(key.address(), try Address(text(vector, "address")))
            XCTAssertEqual(key.entity(), try EntityId(text(vector, "entity")))
            let signature = try key.sign(digest: digest)
            XCTAssertEqual(signature, try bytes(vector, "signature"))
            XCTAssertEqual(try recoverSigner(digest: digest, signature: signature), key.address())
        }
    }

    func testCommitments() throws {
        for vector in try vectors("commitments") {
            let name = try channelKey(a: EntityId(text(vector, "left")), b: EntityId(text(vector, "right")))
            let root = try Hash(text(vector, "root"))
            XCTAssertEqual(name, try Hash(text(vector, "channelKey")))
            let nonce = try XCTUnwrap(UInt64(text(vector, "nonce")))
            XCTAssertEqual(channelStateDigest(channelKey: name, nonce: nonce, root: root), try Hash(text(vector, "digest")))
            for leaf in try XCTUnwrap(vector["leaves"] as? [Vector]) {
                let path = try XCTUnwrap(leaf["path"] as? [String]).map { try Hash($0) }
                XCTAssertTrue(verifyPath(leaf: try Hash(text(leaf, "leaf")), path: path, root: root))
            }
        }
    }

    func testRecordsOfBothSidesEndInTheSameState() throws {
        let records = try vectors("record").filter { $0["bytes"] != nil }
        var ends: [Hash] = []
        for (side, secret) in [("left", UInt8(1)), ("right", 2)] {
            let log = try records.filter { try text($0, "log") == side }.map { try bytes($0, "bytes") }
            let entity = try LocalKey(secret: Data(repeating: secret, count: 32)).entity()
            ends.append(try XCTUnwrap(replay(entity: entity, records: log).last?.roots.first?.root))
            XCTAssertThrowsError(try replay(entity: entity, records: log.dropLast(2) + log.suffix(1)))
        }
        XCTAssertEqual(ends[0], ends[1])
    }
}
