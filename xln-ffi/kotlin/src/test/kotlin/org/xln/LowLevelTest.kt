package org.xln

import java.math.BigInteger
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class LowLevelTest {
    private val delta = Delta(
        collateral = 100.toBigInteger(),
        ondelta = 40.toBigInteger(),
        offdelta = (-10).toBigInteger(),
        leftCreditLimit = 50.toBigInteger(),
        rightCreditLimit = 20.toBigInteger(),
        leftAllowance = BigInteger.ZERO,
        rightAllowance = 5.toBigInteger(),
    )

    @Test
    fun capacitiesOfBothSides() {
        val left = deriveDelta(delta, Side.LEFT)
        assertEquals(30.toBigInteger(), left.delta)
        assertEquals(80.toBigInteger(), left.outCapacity) // 30 of the collateral and the limit of 50
        assertEquals(85.toBigInteger(), left.inCapacity) // 70 of the collateral and 20 of credit, less 5 on hold
        val right = deriveDelta(delta, Side.RIGHT)
        assertEquals(left.outCapacity, right.inCapacity)
        assertEquals(left.inCapacity, right.outCapacity)
    }

    @Test
    fun amountsHaveTheFullRangeAndNoMore() {
        val most = BigInteger.TWO.pow(256) - BigInteger.ONE
        val zero = Delta(most, BigInteger.ZERO, BigInteger.ZERO, BigInteger.ZERO, BigInteger.ZERO, BigInteger.ZERO, BigInteger.ZERO)
        assertEquals(most, deriveDelta(zero, Side.RIGHT).outCapacity)
        for (wrong in listOf(most + BigInteger.ONE, -BigInteger.ONE)) {
            val error = assertFailsWith<XlnException.InvalidArgument> { deriveDelta(zero.copy(collateral = wrong), Side.LEFT) }
            assertEquals("amount", error.what)
        }
        val overflow = assertFailsWith<XlnException.InvalidArgument> {
            deriveDelta(zero.copy(leftCreditLimit = BigInteger.ONE), Side.LEFT)
        }
        assertEquals("delta", overflow.what)
    }

    @Test
    fun theBar() {
        assertEquals("[-----==========--]\n         |", deltaBar(delta, Side.LEFT, 19u))
    }

    @Test
    fun idsAreChecked() {
        val address = Address("0x00000000000000000000000000000000000000AA")
        assertEquals("0x" + "0".repeat(62) + "aa", account(address).hex)
        assertEquals(Address("0x00000000000000000000000000000000000000aa"), address)
        assertFailsWith<XlnException.InvalidArgument> { account(Address("0x" + "0".repeat(40))) }
        assertFailsWith<IllegalArgumentException> { Address("0x12") }
    }
}
