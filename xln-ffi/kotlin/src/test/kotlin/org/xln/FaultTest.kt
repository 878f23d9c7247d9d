package org.xln

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch

/** What the app's own code may do wrong: nothing of it ends the process or leaves a call waiting. */
class FaultTest {
    /** Neither an error that is declared, nor an exception, nor something that is no exception at all. */
    private val failures = listOf<Pair<String, () -> Throwable>>(
        "disk full" to { HostException.Failed("disk full") },
        "not declared" to { IllegalStateException("not declared") },
        "not even an exception" to { AssertionError("not even an exception") },
    )

    @Test
    fun storesThatThrow() = test {
        for ((text, failure) in failures) {
            val store = MapStore()
            val couple = couple(aliceStore = store)
            store.fault = { throw failure() }
            val error = assertFailsWith<XlnException> { couple.alice.pay(couple.b, KEY, USD, amount(1)) }
            assertTrue(error is XlnException.Store || error is XlnException.Poisoned)
            assertTrue(text in error.toString(), "$error")
            assertFailsWith<XlnException.Poisoned> { couple.alice.tick() }
            couple.bob.tick() // who is not to blame goes on
            couple.close()
        }
    }

    @Test
    fun transportsThatThrow() = test {
        for ((text, failure) in failures) {
            val transport = object : Transport {
                override suspend fun send(to: EntityId, bytes: ByteArray): Unit = throw failure()
            }
            val wallet = Wallet.open(CONFIG, memoryStore(), transport, WalletSigner.Local(key(1)))
            val peer = key(2).entity()
            wallet.connected(peer)
            val opening = launch { wallet.openChannel(peer, KEY, listOf(PROVIDER), 60uL) }
            val event = wallet.events().first { it is WalletEvent.SendFailed } as WalletEvent.SendFailed
            assertEquals(peer, event.to)
            assertTrue(text in event.reason, event.reason)
            opening.cancelAndJoin()
            wallet.shutdown()
        }
    }

    @Test
    fun signersAndClocksThatThrow() = test {
        val member = key(1)
        var refusals = 2
        val signer = object : RemoteSigner {
            override suspend fun sign(request: SignRequest): ByteArray =
                if (refusals-- > 0) throw NotImplementedError("later") else member.sign(request.digest)
        }
        var time = 1_800_000_000uL
        val clock = object : Clock {
            override fun now(): ULong = if (time % 2uL == 0uL) time else throw IllegalStateException("no time")
        }
        val network = LocalNetwork()
        val pump = launch { network.run() }
        val (a, b) = member.entity() to key(2).entity()
        val alice = Wallet.open(CONFIG, memoryStore(), network.transport(a), WalletSigner.Remote(a, signer), clock)
        val bob = Wallet.open(CONFIG, memoryStore(), network.transport(b), WalletSigner.Local(key(2)), clock)
        network.join(alice)
        network.join(bob)
        val opening = launch { alice.openChannel(b, KEY, listOf(PROVIDER), 60uL) }
        repeat(2) {
            val event = alice.events().first { it is WalletEvent.SignFailed } as WalletEvent.SignFailed
            assertTrue("later" in event.reason, event.reason)
            time += 1uL // the clock fails, and time stands still
            alice.tick()
            time += 1uL
            alice.tick()
        }
        opening.join()
        assertEquals(a, alice.entity())
        assertTrue(alice.channel(b)!!.height > 0uL)
        pump.cancelAndJoin()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun argumentsThatAreNotWhatTheyShouldBe() = test {
        val couple = couple()
        for (wrong in listOf(amount(-1), java.math.BigInteger.TWO.pow(128))) {
            val error = assertFailsWith<XlnException.InvalidArgument> { couple.alice.pay(couple.b, KEY, USD, wrong) }
            assertEquals("amount", error.what)
        }
        val nobody = EntityId("0x" + "00".repeat(32))
        assertEquals("entity id", assertFailsWith<XlnException.InvalidArgument> { couple.alice.pay(nobody, KEY, USD, amount(1)) }.what)
        assertFailsWith<XlnException.Refused> { couple.alice.pay(couple.a, KEY, USD, amount(1)) } // oneself
        assertFailsWith<XlnException.UnknownEffect> { couple.alice.completed(999uL, true) }
        couple.alice.receive(couple.b, byteArrayOf(1, 2, 3)) // a peer's bad bytes are an event
        val seen = couple.alice.events().first { it is WalletEvent.Channel && it.event is ChannelEvent.Rejected }
        assertEquals(couple.b, ((seen as WalletEvent.Channel).event as ChannelEvent.Rejected).from)
        assertFailsWith<XlnException.InvalidArgument> { LocalKey(ByteArray(31)) }
        couple.close()
    }
}
