package org.xln

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

class LoadTest {
    @Test
    fun callsFromManyThreads() = test(300) {
        val couple = couple()
        val (threads, each) = 8 to 25
        withContext(Dispatchers.IO) {
            (1..threads).map { number ->
                async {
                    repeat(each) {
                        if (number % 2 == 0) couple.alice.pay(couple.b, KEY, USD, amount(2))
                        else couple.bob.pay(couple.a, KEY, USD, amount(1))
                        couple.alice.channels()
                    }
                }
            }.awaitAll()
        }
        val half = (threads / 2 * each).toLong()
        assertEquals(amount(1_000_000 - half), couple.alice.canPay(couple.b))
        assertEquals(couple.alice.root(couple.b), couple.bob.root(couple.a))
        couple.close()
    }

    private fun residentKiB(): Long =
        File("/proc/self/status").readLines().first { it.startsWith("VmRSS") }.filter { it.isDigit() }.toLong()

    @Test
    fun thousandsOfPaymentsLeaveNothingBehind() = test(600) {
        val store = MapStore()
        val couple = couple(aliceStore = store, config = CONFIG.copy(snapshotEvery = 64uL, eventQueue = 64u))
        suspend fun pay(times: Int) {
            val payments = List(50) { Transition.DirectPayment(KEY, USD, amount(1)) }
            repeat(times / 50) { couple.alice.queueAll(couple.b, payments).forEach { couple.alice.agreed(it) } }
            System.gc()
        }
        pay(500)
        val before = residentKiB()
        val steps = store.commits.get()
        pay(4000)
        val grown = residentKiB() - before
        assertEquals(amount(1_000_000 - 4500), couple.alice.canPay(couple.b))
        assertTrue(store.commits.get() > steps + 100)
        // A call of the app's store allocates more than a KiB on both sides; 4000 kept payments would be some ten MiB.
        assertTrue(grown < 48 * 1024, "$grown KiB more than after the first 500 payments")
        couple.close()
        eventually { uniffiForeignFutureHandleMap.size == 0 } // calls of the app's store
        assertEquals(0, uniffiContinuationHandleMap.size, "calls of Rust that have not ended")
    }

    @Test
    fun closedObjectsAreGone() = test {
        fun held() = FfiConverterTypeKvStore.handleMap.size + FfiConverterTypeEventListener.handleMap.size +
            FfiConverterTypeClock.handleMap.size + FfiConverterTypeTransport.handleMap.size
        val before = held()
        repeat(20) {
            val couple = couple(aliceStore = MapStore(), listener = object : EventListener {
                override fun onEvent(event: WalletEvent) = Unit
            })
            couple.alice.pay(couple.b, KEY, USD, amount(1))
            couple.close()
        }
        eventually { held() == before }
    }
}
