// Two wallets in files, and a payment between them: `xln-sample DIR [AMOUNT]`. Run it again and they go on where they were.
import Foundation
import Xln

// The contracts that both accept. Addresses, window and grace are those of a deployment; these are made up.
let usd: TokenId = 1
let depository = AcceptedDepository(
    key: SubchannelKey(chain: 1, depository: try Address(String(repeating: "d0", count: 20))), windowS: 86_400,
    entityProvider: try Address(String(repeating: "ee", count: 20)), graceS: 14 * 86_400,
    providers: [try Address(String(repeating: "5c", count: 20))])

func open(_ folder: URL, _ name: String, _ key: LocalKey, _ network: LocalNetwork) async throws -> Wallet {
    let store = try openStore(path: folder.appendingPathComponent("\(name).xln").path)
    let transport = network.transport(entity: key.entity())
    let wallet = try await Wallet.open(
        config: WalletConfig(depositories: [depository]), store: store, transport: transport, signer: .local(key: key))
    try await network.join(wallet: wallet)
    return wallet
}

func pay(_ folder: URL, _ amount: Amount) async throws {
    let network = LocalNetwork()
    let alice = try await open(folder, "alice", LocalKey(secret: Data(repeating: 1, count: 32)), network)
    let bob = try await open(folder, "bob", LocalKey(secret: Data(repeating: 2, count: 32)), network)
    let deliveries = Task { try await network.run() }
    let (place, peer) = (depository.key, bob.entity())
    if try await alice.channel(peer: peer)?.subchannels.isEmpty ?? true {
        _ = try await alice.openChannel(peer: peer, key: place, providers: depository.providers, settleMarginS: 60)
        _ = try await alice.addToken(peer: peer, key: place, token: usd)
        _ = try await bob.grantCredit(peer: alice.entity(), key: place, token: usd, limit: 1000)
    }
    do {
        _ = try await alice.pay(peer: peer, key: place, token: usd, amount: amount)
        print("paid \(amount)")
    } catch let refused as XlnError {
        guard case .Refused(let code, _) = refused else { throw refused }
        print("refused: \(refused) (\(code))")
    }
    let token = try await alice.channel(peer: peer)!.subchannels[0].tokens[0]
    print(try deltaBar(delta: toDelta(state: token.state), side: token.side, width: 60))
    print("alice can pay \(token.capacities.outCapacity), and receive \(token.capacities.inCapacity)")
    deliveries.cancel()
    try await alice.shutdown()
    try await bob.shutdown()
}

let arguments = CommandLine.arguments.dropFirst()
guard let path = arguments.first else {
    FileHandle.standardError.write(Data("usage: xln-sample DIR [AMOUNT]\n".utf8))
    exit(2)
}
let folder = URL(fileURLWithPath: path)
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
try await pay(folder, Amount(arguments.dropFirst().first ?? "250"))
