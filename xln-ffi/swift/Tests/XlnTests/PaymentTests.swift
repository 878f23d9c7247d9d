import Foundation
import XCTest

@testable import Xln

final class PaymentTests: XCTestCase {
    func testTwoPartiesPayEachOther() async throws {
        let couple = try await Couple()
        let (alice, bob) = (couple.alice, couple.bob)
        try await alice.pay(bob, 250)
        try await bob.pay(alice, 100)
        let (left, right) = (try await alice.canPay(bob), try await bob.canPay(alice))
        XCTAssertEqual(left, 999_850)
        XCTAssertEqual(right, 1_000_150)
        let (a, b) = (try await alice.root(bob), try await bob.root(alice))
        XCTAssertEqual(a, b)
        await couple.close()
    }

    func testStorageTransportAndClockWrittenInSwift() async throws {
        let (post, clock, store) = (Post(), StoppedClock(), MapStore())
        let (a, b) = (try localKey(1), try localKey(2))
        let alice = try await Wallet.open(
            config: config, store: store, transport: post.from(a.entity()), signer: .local(key: a), clock: clock)
        let bob = try await Wallet.open(
            config: config, store: memoryStore(), transport: post.from(b.entity()), signer: .local(key: b), clock: clock)
        try await post.join(alice)
        try await post.join(bob)
        try await alice.openSubchannel(bob, credit: 1000)
        try await alice.pay(bob, 7)
        let left = try await alice.canPay(bob)
        XCTAssertEqual(left, 993)
        XCTAssertGreaterThan(store.commits, 4, "every step is in the store")
        let channel = try await alice.channel(peer: bob.entity())
        XCTAssertEqual(channel?.timestamp, 1_800_000_000)
        await post.close()
        try await alice.shutdown()
        try await bob.shutdown()
    }

    func testLocksAndRefusals() async throws {
        let couple = try await Couple(credit: 1000)
        let (alice, bob) = (couple.alice, couple.bob)
        let secret = try Secret(String(repeating: "07", count: 32))
        let terms = LockTerms(
            token: usd, amount: 40, kind: .keccak256, hash: secretHash(secret: secret, kind: .keccak256),
            expiry: try couple.clock.now() + 3600, onion: Data())
        let id = try await alice.lock(peer: bob.entity(), key: place, terms: terms)
        let due = try await alice.deadlines()
        XCTAssertEqual(due.map(\.kind), [.payment(id: id)])
        let wrong = await thrown {
            try await bob.settle(peer: alice.entity(), key: place, id: id, secret: Secret(String(repeating: "08", count: 32)))
        }
        guard case .Refused(_, .transition(.wrongSecret)) = wrong else { return XCTFail("\(wrong as Any)") }
        _ = try await bob.settle(peer: alice.entity(), key: place, id: id, secret: secret)
        let short = await thrown { try await alice.pay(bob, 961) }
        guard case .Refused(_, .transition(.insufficientCapacity(available: 960, needed: 961))) = short else {
            return XCTFail("\(short as Any)")
        }
        XCTAssertEqual(short?.localizedDescription, "capacity is 960, 961 are needed")
        let offer = OfferTerms(
            giveToken: gold, give: 10, wantToken: usd, want: 300, minFill: 1, expiry: try couple.clock.now() + 3600)
        let unknown = await thrown { try await alice.offer(peer: bob.entity(), key: place, terms: offer) }
        guard case .Refused(_, .transition(.unknownToken)) = unknown else { return XCTFail("\(unknown as Any)") }
        await couple.close()
    }

    func testEventsAsListenerAndAsStream() async throws {
        final class Listener: EventListener, @unchecked Sendable {
            let lock = NSLock()
            var heard: [WalletEvent] = []
            func onEvent(event: WalletEvent) throws {
                lock.withLock { heard.append(event) }
                throw Undeclared()  // a listener's failure is its own
            }
        }
        let listener = Listener()
        let couple = try await Couple(listener: listener)
        let agreed = try await couple.alice.pay(couple.bob, 1)
        func isDone(_ event: WalletEvent) -> Bool {
            if case .channel(.commandDone(agreed.command, _)) = event { return true }
            return false
        }
        XCTAssertTrue(listener.lock.withLock { listener.heard.contains(where: isDone) })
        let alice = couple.alice
        let reader = Task {
            var read: [WalletEvent] = []
            for await event in alice.events { read.append(event) }
            return read
        }
        try await alice.shutdown()
        let streamed = await reader.value  // the stream ends with the wallet
        XCTAssertTrue(streamed.contains(where: isDone))
        let closed = await thrown { try await alice.pay(couple.bob, 1) }
        guard case .Closed = closed else { return XCTFail("\(closed as Any)") }
        await couple.close()
    }

    func testABoardOfTwo() async throws {
        let members = [try localKey(11), try localKey(12)]
        let board = Board(threshold: 2, members: members.map { Member(entity: $0.entity(), weight: 1) })
        let company = try organisation(board: board)
        final class Secretary: RemoteSigner, @unchecked Sendable {
            let board: Board
            let members: [LocalKey]
            init(_ board: Board, _ members: [LocalKey]) { (self.board, self.members) = (board, members) }
            func sign(request: SignRequest) async throws -> Data {
                let quorum = try Quorum(board: board, digest: request.digest, permission: .states)
                for ask in quorum.requests() {
                    let member = members.first { $0.entity() == ask.member }!
                    try quorum.add(member: ask.member, signature: member.sign(digest: ask.digest))
                }
                return try quorum.signature()!
            }
        }
        let (network, clock, b) = (LocalNetwork(), StoppedClock(), try localKey(2))
        let pump = Task { try await network.run() }
        let signer = WalletSigner.remote(entity: company, signer: Secretary(board, members))
        let alice = try await Wallet.open(
            config: config, store: memoryStore(), transport: network.transport(entity: company), signer: signer, clock: clock)
        let bob = try await Wallet.open(
            config: config, store: MapStore(), transport: network.transport(entity: b.entity()), signer: .local(key: b),
            clock: clock)
        try await network.join(wallet: alice)
        try await network.join(wallet: bob)
        try await alice.openSubchannel(bob, credit: 1000)
        try await alice.pay(bob, 5)
        try await bob.pay(alice, 2)
        let left = try await alice.canPay(bob)
        XCTAssertEqual(left, 997)
        pump.cancel()
        try await alice.shutdown()
        try await bob.shutdown()
    }
}
