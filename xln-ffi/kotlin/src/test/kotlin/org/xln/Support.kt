package org.xln

import java.math.BigInteger
import java.util.TreeMap
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

val USD: UInt = 1u
val GOLD: UInt = 2u
val PROVIDER = Address("0x" + "5c".repeat(20))
val KEY = SubchannelKey(1uL, Address("0x" + "d0".repeat(20)))
val DEPOSITORY = AcceptedDepository(
    key = KEY,
    windowS = 86_400uL,
    entityProvider = Address("0x" + "ee".repeat(20)),
    graceS = 14uL * 86_400uL,
    providers = listOf(PROVIDER),
)
val CONFIG = WalletConfig(depositories = listOf(DEPOSITORY))

fun amount(value: Long): BigInteger = BigInteger.valueOf(value)

fun key(number: Int): LocalKey = LocalKey(ByteArray(32) { if (it == 31) number.toByte() else 1 })

/** A clock that stands where it is put. */
class StoppedClock(@Volatile var time: ULong = 1_800_000_000uL) : Clock {
    override fun now(): ULong = time
}

/** A store in Kotlin. Its rows outlive a wallet, as a file would; `fault` is asked before each commit. */
class MapStore(private val rows: TreeMap<List<Byte>, ByteArray> = TreeMap(compareBytes)) : KvStore {
    @Volatile var fault: (suspend (Int) -> Unit)? = null
    val commits = AtomicInteger()

    override suspend fun get(key: ByteArray): ByteArray? = synchronized(rows) { rows[key.asList()] }

    override suspend fun scan(prefix: ByteArray): List<KvRow> = synchronized(rows) {
        rows.filterKeys { it.size >= prefix.size && it.subList(0, prefix.size) == prefix.asList() }
            .map { (key, value) -> KvRow(key.toByteArray(), value) }
    }

    override suspend fun commit(batch: List<KvWrite>) {
        val number = commits.incrementAndGet()
        fault?.invoke(number)
        synchronized(rows) {
            for (write in batch) {
                when (write) {
                    is KvWrite.Put -> rows[write.key.asList()] = write.value
                    is KvWrite.Delete -> rows.remove(write.key.asList())
                }
            }
        }
    }

    override suspend fun release() = Unit

    /** The same rows behind a new store: what a process finds after a crash. */
    fun afterCrash(): MapStore = MapStore(synchronized(rows) { TreeMap(rows) })

    private companion object {
        val compareBytes = Comparator<List<Byte>> { a, b ->
            for (i in 0 until minOf(a.size, b.size)) {
                val order = a[i].toUByte().compareTo(b[i].toUByte())
                if (order != 0) return@Comparator order
            }
            a.size.compareTo(b.size)
        }
    }
}

/** A transport in Kotlin: one queue per wallet, emptied by a coroutine of its own. */
class Post(private val scope: CoroutineScope) {
    private val wallets = java.util.concurrent.ConcurrentHashMap<EntityId, Wallet>()
    private val queues = java.util.concurrent.ConcurrentHashMap<EntityId, kotlinx.coroutines.channels.Channel<Pair<EntityId, ByteArray>>>()
    private val jobs = mutableListOf<Job>()

    fun from(me: EntityId): Transport = object : Transport {
        override suspend fun send(to: EntityId, bytes: ByteArray) {
            queues[to]?.send(me to bytes)
        }
    }

    suspend fun join(wallet: Wallet) {
        val me = wallet.entity()
        val queue = kotlinx.coroutines.channels.Channel<Pair<EntityId, ByteArray>>(kotlinx.coroutines.channels.Channel.UNLIMITED)
        queues[me] = queue
        wallets[me] = wallet
        jobs += scope.launch { for ((from, bytes) in queue) wallet.receive(from, bytes) }
        for ((other, there) in wallets) {
            if (other != me) {
                wallet.connected(other)
                there.connected(me)
            }
        }
    }

    fun close() = jobs.forEach { it.cancel() }
}

/** Runs a test with an end, on threads that may wait. */
fun test(seconds: Long = 120, body: suspend CoroutineScope.() -> Unit) = runBlocking(Dispatchers.Default) {
    withTimeout(seconds * 1000) { body() }
}

/** Waits for what a thread of a wallet does in its own time; a test that hangs here has failed. */
suspend fun eventually(isSo: () -> Boolean) {
    while (!isSo()) kotlinx.coroutines.yield()
}

/** Two wallets with an open subchannel and credit both ways, on the built-in transport and stores unless others are given. */
class Couple(val network: LocalNetwork, val clock: StoppedClock, val alice: Wallet, val bob: Wallet, private val pump: Job) {
    val a: EntityId = alice.entity()
    val b: EntityId = bob.entity()

    suspend fun close() {
        pump.cancelAndJoin()
        for (wallet in listOf(alice, bob)) runCatching { wallet.shutdown() } // a test may have done so, or worse
        listOf(alice, bob, network).forEach { it.close() }
    }
}

suspend fun CoroutineScope.couple(
    aliceStore: KvStore = memoryStore(),
    bobStore: KvStore = memoryStore(),
    credit: Long = 1_000_000,
    config: WalletConfig = CONFIG,
    listener: EventListener? = null,
): Couple {
    val clock = StoppedClock()
    val network = LocalNetwork()
    val pump = launch { network.run() }
    val (a, b) = key(1) to key(2)
    val alice = Wallet.open(config, aliceStore, network.transport(a.entity()), WalletSigner.Local(a), clock, listener)
    val bob = Wallet.open(config, bobStore, network.transport(b.entity()), WalletSigner.Local(b), clock)
    network.join(alice)
    network.join(bob)
    alice.openSubchannel(bob, credit)
    return Couple(network, clock, alice, bob, pump)
}

suspend fun Wallet.openSubchannel(peer: Wallet, credit: Long) {
    openChannel(peer.entity(), KEY, listOf(PROVIDER), 60uL)
    addToken(peer.entity(), KEY, USD)
    grantCredit(peer.entity(), KEY, USD, amount(credit))
    peer.grantCredit(entity(), KEY, USD, amount(credit))
}

/** What this wallet can still pay to a peer. */
suspend fun Wallet.canPay(peer: EntityId): BigInteger =
    channel(peer)!!.subchannels.single().tokens.first { it.token == USD }.capacities.outCapacity

suspend fun Wallet.root(peer: EntityId): Hash = channel(peer)!!.stateRoot
