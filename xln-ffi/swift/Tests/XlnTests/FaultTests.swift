import Foundation
import XCTest

@testable import Xln

/// What the app's own code may do wrong: nothing of it ends the process or leaves a call waiting.
final class FaultTests: XCTestCase {
    private let failures: [(String, Error)] = [
        ("disk full", HostError.Failed(reason: "disk full")), ("Undeclared", Undeclared()),
    ]

    func testStoresThatThrow() async throws {
        for (text, failure) in failures {
            let store = MapStore()
            let couple = try await Couple(aliceStore: store)
            store.setFault { _ in throw failure }
            let error = await thrown { try await couple.alice.pay(couple.bob, 1) }
            switch error {
            case .Store(let reason), .Poisoned(let reason): XCTAssertTrue(reason.contains(text), reason)
            default: XCTFail("\(error as Any)")
            }
            let next = await thrown { try await couple.alice.tick() }
            guard case .Poisoned = next else { return XCTFail("\(next as Any)") }
            try await couple.bob.tick()  // who is not to blame goes on
            await couple.close()
        }
    }

    func testTransportsThatThrow() async throws {
        final class Broken: Transport, @unchecked Sendable {
            let failure: Error
            init(_ failure: Error) { self.failure = failure }
            func send(to: EntityId, bytes: Data) async throws { throw failure }
        }
        for (text, failure) in failures {
            let wallet = try await Wallet.open(
                config: config, store: memoryStore(), transport: Broken(failure), signer: .local(key: localKey(1)))
            let peer = try localKey(2).entity()
            try await wallet.connected(peer: peer)
            let opening = Task {
                try await wallet.openChannel(peer: peer, key: place, providers: [provider], settleMarginS: 60)
            }
            for await event in wallet.events {
                guard case .sendFailed(let to, let reason) = event else { continue }
                XCTAssertEqual(to, peer)
                XCTAssertTrue(reason.contains(text), reason)
                break
            }
            try await wallet.shutdown()
            _ = await opening.result
        }
    }

    func testArgumentsThatAreNotWhatTheyShouldBe() async throws {
        let couple = try await Couple()
        let beyond = try Amount("340282366920938463463374607431768211456")
        let tooMuch = await thrown { try await couple.alice.pay(couple.bob, beyond) }
        guard case .InvalidArgument(what: "amount", _) = tooMuch else { return XCTFail("\(tooMuch as Any)") }
        let nobody = try EntityId(String(repeating: "00", count: 32))
        let unknown = await thrown { try await couple.alice.pay(peer: nobody, key: place, token: usd, amount: 1) }
        guard case .InvalidArgument(what: "entity id", _) = unknown else { return XCTFail("\(unknown as Any)") }
        let oneself = await thrown { try await couple.alice.pay(couple.alice, 1) }
        guard case .Refused = oneself else { return XCTFail("\(oneself as Any)") }
        let effect = await thrown { try await couple.alice.completed(effect: 999, success: true) }
        guard case .UnknownEffect(effect: 999) = effect else { return XCTFail("\(effect as Any)") }
        XCTAssertThrowsError(try LocalKey(secret: Data(count: 31)))
        await couple.close()
    }
}
