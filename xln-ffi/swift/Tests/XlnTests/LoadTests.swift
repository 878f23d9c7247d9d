import Foundation
import XCTest

@testable import Xln

final class LoadTests: XCTestCase {
    func testCallsFromManyTasks() async throws {
        let couple = try await Couple()
        let (tasks, each) = (8, 25)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...tasks {
                group.addTask {
                    for _ in 1...each {
                        if number % 2 == 0 {
                            try await couple.alice.pay(couple.bob, 2)
                        } else {
                            try await couple.bob.pay(couple.alice, 1)
                        }
                        _ = try await couple.alice.channels()
                    }
                }
            }
            try await group.waitForAll()
        }
        let left = try await couple.alice.canPay(couple.bob)
        XCTAssertEqual(left, Amount(UInt64(1_000_000 - tasks / 2 * each)))
        await couple.close()
    }

    private func residentKiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") }!
        return Int(line.filter(\.isNumber))!
    }

    func testThousandsOfPaymentsLeaveNothingBehind() async throws {
        #if !os(Linux)
            throw XCTSkip("reads /proc")
        #endif
        let store = MapStore()
        let couple = try await Couple(aliceStore: store, config: configuration(snapshotEvery: 64, eventQueue: 64))
        func pay(_ times: Int) async throws {
            let payments = [Transition](repeating: .directPayment(key: place, token: usd, amount: 1), count: 50)
            for _ in 1...times / 50 {
                for command in try await couple.alice.queueAll(peer: couple.bob.entity(), transitions: payments) {
                    _ = try await couple.alice.agreed(command: command)
                }
            }
        }
        try await pay(500)
        let before = try residentKiB()
        try await pay(2500)
        let grown = try residentKiB() - before
        let left = try await couple.alice.canPay(couple.bob)
        XCTAssertEqual(left, 997_000)
        XCTAssertLessThan(grown, 32 * 1024, "KiB more than after the first 500 payments")
        await couple.close()
    }

    func testWalletsAndWhatTheyHoldGoAway() async throws {
        weak var store: MapStore?
        weak var wallet: Wallet?
        func use() async throws {
            let rows = MapStore()
            let couple = try await Couple(aliceStore: rows)
            (store, wallet) = (rows, couple.alice)
            try await couple.alice.pay(couple.bob, 1)
            await couple.close()
        }
        try await use()
        // A thread of the wallet's may let go a moment after its last answer; a test that hangs here has failed.
        while store != nil || wallet != nil { await Task.yield() }
    }
}
