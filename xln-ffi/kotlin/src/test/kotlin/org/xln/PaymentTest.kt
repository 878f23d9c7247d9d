package org.xln

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch

class PaymentTest {
    @Test
    fun twoPartiesPayEachOther() = test {
        val couple = couple()
        val (alice, bob) = couple.alice to couple.bob
        alice.pay(couple.b, KEY, USD, amount(250))
        bob.pay(couple.a, KEY, USD, amount(100))
        assertEquals(amount(1_000_000 - 150), alice.canPay(couple.b))
        assertEquals(amount(1_000_000 + 150), bob.canPay(couple.a))
        assertEquals(alice.root(couple.b), bob.root(couple.a))
        couple.close()
    }

    @Test
    fun storageTransportAndClockWrittenInKotlin() = test {
        val post = Post(this)
        val clock = StoppedClock()
        val (a, b) = key(1) to key(2)
        val store = MapStore()
        val alice = Wallet.open(CONFIG, store, post.from(a.entity()), WalletSigner.Local(a), clock)
        val bob = Wallet.open(CONFIG, memoryStore(), post.from(b.entity()), WalletSigner.Local(b), clock)
        post.join(alice)
        post.join(bob)
        alice.openSubchannel(bob, 1000)
        alice.pay(bob.entity(), KEY, USD, amount(7))
        assertEquals(amount(993), alice.canPay(bob.entity()))
        assertTrue(store.commits.get() > 4, "every step is in the store")
        assertEquals(1_800_000_000uL, alice.channel(bob.entity())!!.timestamp)
        post.close()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun locksSwapsAndRefusals() = test {
        val couple = couple(credit = 1000)
        val (alice, bob) = couple.alice to couple.bob
        val expiry = couple.clock.time + 3600uL
        val secret = Secret("0x" + "07".repeat(32))
        val terms = LockTerms(USD, amount(40), HashKind.KECCAK256, secretHash(secret, HashKind.KECCAK256), expiry, ByteArray(0))
        val id = alice.lock(couple.b, KEY, terms)
        assertEquals(amount(960), alice.canPay(couple.b))
        assertEquals(listOf(DeadlineKind.Payment(id) as DeadlineKind), alice.deadlines().map { it.kind })
        val wrong = assertFailsWith<XlnException.Refused> { bob.settle(couple.a, KEY, id, Secret("0x" + "08".repeat(32))) }
        assertEquals(CommandError.Transition(TransitionError.WrongSecret), wrong.reason)
        bob.settle(couple.a, KEY, id, secret)
        assertEquals(amount(1040), bob.canPay(couple.a))

        val short = assertFailsWith<XlnException.Refused> { alice.pay(couple.b, KEY, USD, amount(961)) }
        val reason = TransitionError.InsufficientCapacity(available = amount(960), needed = amount(961))
        assertEquals(CommandError.Transition(reason), short.reason)
        assertTrue(short.code.startsWith("refused."), short.code)
        assertEquals("capacity is 960, 961 are needed", short.toString())

        alice.addToken(couple.b, KEY, GOLD)
        bob.grantCredit(couple.a, KEY, GOLD, amount(50))
        alice.grantCredit(couple.b, KEY, GOLD, amount(50))
        val offer = alice.offer(couple.b, KEY, OfferTerms(GOLD, amount(10), USD, amount(300), amount(1), expiry))
        bob.fill(couple.a, KEY, offer, amount(4))
        assertEquals(amount(960 + 120), alice.canPay(couple.b))
        alice.cancelOffer(couple.b, KEY, offer)
        assertEquals(emptyList(), alice.channel(couple.b)!!.subchannels.single().pending)
        couple.close()
    }

    @Test
    fun eventsAsListenerAndAsStream() = test {
        val heard = java.util.concurrent.ConcurrentLinkedQueue<WalletEvent>()
        val couple = couple(listener = object : EventListener {
            override fun onEvent(event: WalletEvent) {
                heard += event
                throw IllegalStateException("a listener's failure is its own")
            }
        })
        val agreed = couple.alice.pay(couple.b, KEY, USD, amount(1))
        fun done(event: WalletEvent) =
            event is WalletEvent.Channel && (event.event as? ChannelEvent.CommandDone)?.command == agreed.command
        assertTrue(heard.any(::done))
        val streamed = mutableListOf<WalletEvent>()
        val reader = launch { couple.alice.events().collect { streamed += it } }
        couple.alice.shutdown()
        reader.join() // the stream ends with the wallet
        assertTrue(streamed.any(::done))
        assertFailsWith<XlnException.Closed> { couple.alice.pay(couple.b, KEY, USD, amount(1)) }
        couple.close()
    }

    @Test
    fun aBoardOfTwo() = test {
        val members = listOf(key(11), key(12))
        val board = Board(threshold = 2u, members = members.map { Member(it.entity(), 1u) })
        val company = organisation(board)
        val signer = object : RemoteSigner {
            override suspend fun sign(request: SignRequest): ByteArray {
                val quorum = Quorum(board, request.digest, Permission.STATES)
                for (ask in quorum.requests()) {
                    quorum.add(ask.member, members.first { it.entity() == ask.member }.sign(ask.digest))
                }
                return quorum.signature()!!
            }
        }
        val clock = StoppedClock()
        val network = LocalNetwork()
        val pump = launch { network.run() }
        val b = key(2)
        val alice = Wallet.open(CONFIG, memoryStore(), network.transport(company), WalletSigner.Remote(company, signer), clock)
        val bob = Wallet.open(CONFIG, MapStore(), network.transport(b.entity()), WalletSigner.Local(b), clock)
        network.join(alice)
        network.join(bob)
        alice.openSubchannel(bob, 1000)
        alice.pay(bob.entity(), KEY, USD, amount(5))
        bob.pay(company, KEY, USD, amount(2))
        assertEquals(amount(997), alice.canPay(bob.entity()))
        pump.cancelAndJoin()
        alice.shutdown()
        bob.shutdown()
    }
}
