import Foundation
import XCTest

@testable import Xln

let usd: TokenId = 1
let gold: TokenId = 2
let provider = try! Address(String(repeating: "5c", count: 20))
let place = SubchannelKey(chain: 1, depository: try! Address(String(repeating: "d0", count: 20)))
let config = configuration()

func configuration(snapshotEvery: UInt64? = nil, eventQueue: UInt32? = nil) -> WalletConfig {
    let depository = AcceptedDepository(
        key: place, windowS: 86_400, entityProvider: try! Address(String(repeating: "ee", count: 20)), graceS: 14 * 86_400,
        providers: [provider])
    return WalletConfig(depositories: [depository], snapshotEvery: snapshotEvery, eventQueue: eventQueue)
}

func localKey(_ number: UInt8) throws -> LocalKey {
    try LocalKey(secret: Data(repeating: 1, count: 31) + [number])
}

/// A clock that stands where it is put.
final class StoppedClock: Clock, @unchecked Sendable {
    private let lock = NSLock()
    private var time: UInt64 = 1_800_000_000

    func now() throws -> UInt64 { lock.withLock { time } }
    func advance(_ seconds: UInt64) { lock.withLock { time += seconds } }
}

/// An error that the bindings know nothing of.
struct Undeclared: Error {}

/// A store in Swift. Its rows outlive a wallet, as a file would; `fault` is asked before each commit.
final class MapStore: KvStore, @unchecked Sendable {
    private let lock = NSLock()
    private var rows: [Data: Data]
    private var count = 0
    private var asked: (@Sendable (Int) async throws -> Void)?

    init(_ rows: [Data: Data] = [:]) { self.rows = rows }

    var commits: Int { lock.withLock { count } }

    func setFault(_ fault: (@Sendable (Int) async throws -> Void)?) { lock.withLock { asked = fault } }

    func get(key: Data) async throws -> Data? { lock.withLock { rows[key] } }

    func scan(prefix: Data) async throws -> [KvRow] {
        lock.withLock { rows.filter { $0.key.starts(with: prefix) }.map { KvRow(key: $0.key, value: $0.value) } }
    }

    func commit(batch: [KvWrite]) async throws {
        let (number, fault) = lock.withLock { () -> (Int, (@Sendable (Int) async throws -> Void)?) in
            count += 1
            return (count, asked)
        }
        try await fault?(number)
        lock.withLock {
            for write in batch {
                switch write {
                case .put(let key, let value): rows[key] = value
                case .delete(let key): rows[key] = nil
                }
            }
        }
    }

    func release() async throws {}

    /// The same rows behind a new store: what a process finds after a crash.
    func afterCrash() -> MapStore { lock.withLock { MapStore(rows) } }
}

/// A transport in Swift: one queue per wallet, emptied by a task of its own.
actor Post {
    private var wallets: [EntityId: Wallet] = [:]
    private var queues: [EntityId: AsyncStream<(EntityId, Data)>.Continuation] = [:]

    final class Line: Transport {
        let post: Post
        let me: EntityId
        init(_ post: Post, _ me: EntityId) { (self.post, self.me) = (post, me) }
        func send(to: EntityId, bytes: Data) async throws { await post.put(me, to, bytes) }
    }

    nonisolated func from(_ me: EntityId) -> Transport { Line(self, me) }

    func put(_ from: EntityId, _ to: EntityId, _ bytes: Data) { queues[to]?.yield((from, bytes)) }

    func join(_ wallet: Wallet) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: (EntityId, Data).self)
        queues[wallet.entity()] = continuation
        wallets[wallet.entity()] = wallet
        Task { for await (from, bytes) in stream { try? await wallet.receive(from: from, bytes: bytes) } }
        for (other, there) in wallets where other != wallet.entity() {
            try await wallet.connected(peer: other)
            try await there.connected(peer: wallet.entity())
        }
    }

    func close() {
        queues.values.forEach { $0.finish() }
        (queues, wallets) = ([:], [:])
    }
}

extension Wallet {
    func openSubchannel(_ peer: Wallet, credit: Amount) async throws {
        let (me, other) = (entity(), peer.entity())
        _ = try await openChannel(peer: other, key: place, providers: [provider], settleMarginS: 60)
        _ = try await addToken(peer: other, key: place, token: usd)
        _ = try await grantCredit(peer: other, key: place, token: usd, limit: credit)
        _ = try await peer.grantCredit(peer: me, key: place, token: usd, limit: credit)
    }

    @discardableResult
    func pay(_ peer: Wallet, _ amount: Amount) async throws -> Agreed {
        try await pay(peer: peer.entity(), key: place, token: usd, amount: amount)
    }

    /// What this wallet can still pay to a peer.
    func canPay(_ peer: Wallet) async throws -> Amount {
        let subchannel = try await channel(peer: peer.entity())!.subchannels[0]
        return subchannel.tokens.first { $0.token == usd }!.capacities.outCapacity
    }

    func root(_ peer: Wallet) async throws -> Hash { try await channel(peer: peer.entity())!.stateRoot }
}

/// Two wallets with an open subchannel and credit both ways.
struct Couple {
    let network: LocalNetwork
    let clock: StoppedClock
    let alice: Wallet
    let bob: Wallet
    let pump: Task<Void, Error>

    init(
        aliceStore: KvStore = memoryStore(), bobStore: KvStore = memoryStore(), credit: Amount = 1_000_000,
        config: WalletConfig = config, listener: EventListener? = nil
    ) async throws {
        let network = LocalNetwork()
        (self.network, clock) = (network, StoppedClock())
        pump = Task { try await network.run() }
        let (a, b) = (try localKey(1), try localKey(2))
        alice = try await Wallet.open(
            config: config, store: aliceStore, transport: network.transport(entity: a.entity()), signer: .local(key: a),
            clock: clock, listener: listener)
        bob = try await Wallet.open(
            config: config, store: bobStore, transport: network.transport(entity: b.entity()), signer: .local(key: b),
            clock: clock)
        try await network.join(wallet: alice)
        try await network.join(wallet: bob)
        try await alice.openSubchannel(bob, credit: credit)
    }

    func close() async {
        pump.cancel()
        _ = await pump.result
        for wallet in [alice, bob] { try? await wallet.shutdown() }
    }
}

/// Runs what must throw, and gives the error.
func thrown<T>(_ body: () async throws -> T, file: StaticString = #filePath, line: UInt = #line) async -> XlnError? {
    do {
        _ = try await body()
        XCTFail("nothing was thrown", file: file, line: line)
    } catch let error as XlnError {
        return error
    } catch {
        XCTFail("\(error) was thrown", file: file, line: line)
    }
    return nil
}
