package org.xln

import java.nio.file.Files
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch

class CrashTest {
    private suspend fun reopen(couple: Couple, store: KvStore): Wallet {
        val wallet = Wallet.open(CONFIG, store, couple.network.transport(couple.a), WalletSigner.Local(key(1)), couple.clock)
        couple.network.join(wallet)
        return wallet
    }

    @Test
    fun aFileOutlivesItsWallet() = test {
        val file = Files.createTempDirectory("xln").resolve("alice.store").toString()
        val couple = couple(aliceStore = openStore(file))
        couple.alice.pay(couple.b, KEY, USD, amount(3))
        val root = couple.alice.root(couple.b)
        assertFailsWith<XlnException.Store>("the file has one owner") { openStore(file) }
        couple.network.leave(couple.a)
        couple.alice.shutdown()
        couple.alice.close()

        val alice = reopen(couple, openStore(file))
        assertEquals(root, alice.root(couple.b))
        alice.pay(couple.b, KEY, USD, amount(3))
        assertEquals(amount(999_994), alice.canPay(couple.b))
        assertEquals(alice.root(couple.b), couple.bob.root(couple.a))
        couple.close()
    }

    @Test
    fun aProcessThatDiesAtAnyCommitLosesNothing() = test {
        // The n-th commit after the channel is open is the last one that the process makes, before or after it is durable.
        for (last in 1..4) for (durable in listOf(false, true)) {
            val store = MapStore()
            val couple = couple(aliceStore = store)
            val end = store.commits.get() + last
            store.fault = { n -> if (n > end || (n == end && !durable)) throw HostException.Failed("the power is gone") }
            val died = assertFailsWith<XlnException> { repeat(10) { couple.alice.pay(couple.b, KEY, USD, amount(10)) } }
            assertTrue(died is XlnException.Store || died is XlnException.Poisoned, "$died")
            assertFailsWith<XlnException.Poisoned> { couple.alice.pay(couple.b, KEY, USD, amount(10)) }
            couple.network.leave(couple.a)

            val alice = reopen(couple, store.afterCrash())
            alice.pay(couple.b, KEY, USD, amount(1))
            assertEquals(alice.root(couple.b), couple.bob.root(couple.a), "commit $last, durable: $durable")
            assertEquals(alice.canPay(couple.b) + couple.bob.canPay(couple.a), amount(2_000_000))
            couple.close()
            alice.shutdown()
        }
    }

    @Test
    fun aBackupRestores() = test {
        val couple = couple()
        couple.alice.pay(couple.b, KEY, USD, amount(20))
        val backup = couple.alice.backup()
        couple.alice.pay(couple.b, KEY, USD, amount(30)) // not in the backup: the peer's state says so
        val root = couple.alice.root(couple.b)
        couple.network.leave(couple.a)

        val store = MapStore()
        assertFailsWith<XlnException.Unusable> { restoreBackup(store, couple.b, CONFIG, backup) }
        val damaged = backup.copyOf().also { it[it.size / 2] = (it[it.size / 2] + 1).toByte() }
        assertFailsWith<XlnException.Unusable> { restoreBackup(store, couple.a, CONFIG, damaged) }
        restoreBackup(store, couple.a, CONFIG, backup)
        val alice = Wallet.open(CONFIG, store, couple.network.transport(couple.a), WalletSigner.Local(key(1)), couple.clock)
        assertNotEquals(root, alice.root(couple.b))
        assertTrue(alice.channel(couple.b)!!.recovering)
        couple.network.join(alice)
        alice.pay(couple.b, KEY, USD, amount(1))
        assertEquals(amount(1_000_000 - 51), alice.canPay(couple.b))
        couple.close()
        alice.shutdown()
    }

    @Test
    fun aCancelledCallLosesNothing() = test {
        val store = MapStore()
        val couple = couple(aliceStore = store)
        val (reached, go) = CompletableDeferred<Unit>() to CompletableDeferred<Unit>()
        val first = store.commits.get() + 1
        store.fault = { n ->
            if (n == first) {
                reached.complete(Unit)
                go.await()
            }
        }
        // Cancelled while its record is with the store; whether the store is cancelled too is for the wallet to hide.
        val call = launch(start = CoroutineStart.UNDISPATCHED) { couple.alice.pay(couple.b, KEY, USD, amount(5)) }
        reached.await()
        call.cancelAndJoin()
        go.complete(Unit)
        couple.alice.pay(couple.b, KEY, USD, amount(1))
        val left = couple.alice.canPay(couple.b)
        assertTrue(left == amount(999_994) || left == amount(999_999), "$left")
        assertEquals(couple.alice.root(couple.b), couple.bob.root(couple.a))

        // Cancelled while it waits for a peer that is away: the payment is durable and goes on when the peer is back.
        couple.network.leave(couple.b)
        val waiting = async(start = CoroutineStart.UNDISPATCHED) { couple.alice.pay(couple.b, KEY, USD, amount(7)) }
        while (couple.alice.channel(couple.b)!!.run { !inFlight && queued == 0uL }) kotlinx.coroutines.yield()
        waiting.cancelAndJoin()
        couple.network.join(couple.bob)
        couple.alice.pay(couple.b, KEY, USD, amount(1))
        assertEquals(left - amount(8), couple.alice.canPay(couple.b))
        couple.close()
    }
}
