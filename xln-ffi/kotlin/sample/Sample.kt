// Two wallets in files, and a payment between them: `Sample DIR [AMOUNT]`. Run it again and they go on where they were.
package sample

import java.io.File
import kotlin.system.exitProcess
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.xln.*

// The contracts that both accept. Addresses, window and grace are those of a deployment; these are made up.
val usd: TokenId = 1u
val depository = AcceptedDepository(
    key = SubchannelKey(chain = 1uL, depository = Address("d0".repeat(20))),
    windowS = 86_400uL,
    entityProvider = Address("ee".repeat(20)),
    graceS = 14uL * 86_400uL,
    providers = listOf(Address("5c".repeat(20))),
)

suspend fun open(folder: File, name: String, key: LocalKey, network: LocalNetwork): Wallet {
    val store = openStore(File(folder, "$name.xln").path)
    val transport = network.transport(key.entity())
    return Wallet.open(WalletConfig(listOf(depository)), store, transport, WalletSigner.Local(key)).also { network.join(it) }
}

suspend fun pay(folder: File, amount: Amount) {
    val network = LocalNetwork()
    val alice = open(folder, "alice", LocalKey(ByteArray(32) { 1 }), network)
    val bob = open(folder, "bob", LocalKey(ByteArray(32) { 2 }), network)
    val deliveries = kotlinx.coroutines.CoroutineScope(Dispatchers.Default).launch { network.run() }
    val (place, peer) = depository.key to bob.entity()
    if (alice.channel(peer)?.subchannels.isNullOrEmpty()) {
        alice.openChannel(peer, place, depository.providers, 60uL)
        alice.addToken(peer, place, usd)
        bob.grantCredit(alice.entity(), place, usd, 1000.toBigInteger())
    }
    try {
        alice.pay(peer, place, usd, amount)
        println("paid $amount")
    } catch (refused: XlnException.Refused) {
        println("refused: $refused (${refused.code})")
    }
    val token = alice.channel(peer)!!.subchannels.single().tokens.single()
    println(deltaBar(toDelta(token.state), token.side, 60u))
    println("alice can pay ${token.capacities.outCapacity}, and receive ${token.capacities.inCapacity}")
    deliveries.cancelAndJoin()
    alice.shutdown()
    bob.shutdown()
}

fun main(arguments: Array<String>) {
    val folder = File(arguments.getOrNull(0) ?: run {
        System.err.println("usage: Sample DIR [AMOUNT]")
        exitProcess(2)
    })
    folder.mkdirs()
    runBlocking(Dispatchers.IO) { pay(folder, (arguments.getOrNull(1) ?: "250").toBigInteger()) }
}
