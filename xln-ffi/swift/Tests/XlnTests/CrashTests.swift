import Foundation
import XCTest

@testable import Xln

final class CrashTests: XCTestCase {
    private func reopen(_ couple: Couple, _ store: KvStore) async throws -> Wallet {
        let key = try localKey(1)
        let wallet = try await Wallet.open(
            config: config, store: store, transport: couple.network.transport(entity: key.entity()), signer: .local(key: key),
            clock: couple.clock)
        try await couple.network.join(wallet: wallet)
        return wallet
    }

    func testAFileOutlivesItsWallet() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("xln-\(UUID()).store").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        // In a function of its own: when it returns nobody holds the first wallet or its store any more.
        func before() async throws -> (Couple, Hash) {
            let couple = try await Couple(aliceStore: openStore(path: file))
            try await couple.alice.pay(couple.bob, 3)
            let root = try await couple.alice.root(couple.bob)
            XCTAssertThrowsError(try openStore(path: file), "the file has one owner")
            try await couple.network.leave(entity: couple.alice.entity())
            try await couple.alice.shutdown()
            return (couple, root)
        }
        let (couple, root) = try await before()
        let alice = try await reopen(couple, openStore(path: file))
        let found = try await alice.root(couple.bob)
        XCTAssertEqual(found, root)
        try await alice.pay(couple.bob, 3)
        let left = try await alice.canPay(couple.bob)
        XCTAssertEqual(left, 999_994)
        await couple.close()
    }

    func testAProcessThatDiesAtAnyCommitLosesNothing() async throws {
        // The n-th commit after the channel is open is the last one that the process makes, before or after it is durable.
        for last in 1...3 {
            let store = MapStore()
            let couple = try await Couple(aliceStore: store)
            let end = store.commits + last
            store.setFault { if $0 >= end { throw HostError.Failed(reason: "the power is gone") } }
            let died = await thrown { for _ in 1...10 { try await couple.alice.pay(couple.bob, 10) } }
            switch died {
            case .Store, .Poisoned: break
            default: XCTFail("\(died as Any)")
            }
            try await couple.network.leave(entity: couple.alice.entity())
            let alice = try await reopen(couple, store.afterCrash())
            try await alice.pay(couple.bob, 1)
            let (a, b) = (try await alice.root(couple.bob), try await couple.bob.root(alice))
            XCTAssertEqual(a, b, "commit \(last)")
            await couple.close()
            try await alice.shutdown()
        }
    }

    func testABackupRestores() async throws {
        let couple = try await Couple()
        let me = couple.alice.entity()
        try await couple.alice.pay(couple.bob, 20)
        let backup = try await couple.alice.backup()
        try await couple.alice.pay(couple.bob, 30)  // not in the backup: the peer's state says so
        try await couple.network.leave(entity: me)

        let store = MapStore()
        let stranger = await thrown {
            try await restoreBackup(store: store, entity: couple.bob.entity(), config: config, backup: backup)
        }
        guard case .Unusable = stranger else { return XCTFail("\(stranger as Any)") }
        try await restoreBackup(store: store, entity: me, config: config, backup: backup)
        let alice = try await reopen(couple, store)
        try await alice.pay(couple.bob, 1)
        let left = try await alice.canPay(couple.bob)
        XCTAssertEqual(left, 999_949)
        await couple.close()
        try await alice.shutdown()
    }

    func testACancelledCallLosesNothing() async throws {
        let store = MapStore()
        let couple = try await Couple(aliceStore: store)
        let (reached, signal) = AsyncStream.makeStream(of: Void.self)
        let (go, release) = AsyncStream.makeStream(of: Void.self)
        let first = store.commits + 1
        store.setFault {
            if $0 == first {
                signal.finish()
                for await _ in go {}
            }
        }
        // Cancelled while its record is with the store; whether the store is cancelled too is for the wallet to hide.
        let call = Task { try await couple.alice.pay(couple.bob, 5) }
        for await _ in reached {}
        call.cancel()
        release.finish()
        _ = await call.result
        try await couple.alice.pay(couple.bob, 1)
        let left = try await couple.alice.canPay(couple.bob)
        XCTAssertTrue(left == 999_994 || left == 999_999, "\(left)")
        let (a, b) = (try await couple.alice.root(couple.bob), try await couple.bob.root(couple.alice))
        XCTAssertEqual(a, b)
        await couple.close()
    }
}
