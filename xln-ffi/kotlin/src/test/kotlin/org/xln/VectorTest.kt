package org.xln

import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** The project's golden vectors give the same through the bindings. */
class VectorTest {
    private val root = File(System.getProperty("xln.root") ?: "../..")

    private fun vectors(name: String): List<JsonObject> {
        val file = File(root, "xln-core/tests/vectors/$name.json")
        return JsonParser.parseString(file.readText()).asJsonObject["vectors"].asJsonArray.map { it.asJsonObject }
            .also { assertTrue(it.isNotEmpty(), name) }
    }

    private fun JsonObject.text(name: String): String = this[name].asString

    private fun JsonObject.bytes(name: String): ByteArray = text(name).removePrefix("0x").hexToByteArray()

    private fun JsonObject.number(name: String) = text(name).toBigInteger()

    @Test
    fun deriveDelta() {
        for (vector in vectors("derive_delta")) {
            val name = vector.text("name")
            val input = vector["input"].asJsonObject.run {
                Delta(
                    number("collateral"), number("ondelta"), number("offdelta"), number("leftCreditLimit"),
                    number("rightCreditLimit"), number("leftAllowance"), number("rightAllowance"),
                )
            }
            if (vector.has("error")) {
                assertFailsWith<XlnException.InvalidArgument>(name) { deriveDelta(input, Side.LEFT) }
                continue
            }
            val expect = vector["expect"].asJsonObject
            for ((side, view) in listOf("left" to deriveDelta(input, Side.LEFT), "right" to deriveDelta(input, Side.RIGHT))) {
                val found = view.run {
                    mapOf(
                        "delta" to delta, "collateral" to collateral, "inCollateral" to inCollateral,
                        "outCollateral" to outCollateral, "inOwnCredit" to inOwnCredit, "outPeerCredit" to outPeerCredit,
                        "inAllowance" to inAllowance, "outAllowance" to outAllowance, "totalCapacity" to totalCapacity,
                        "ownCreditLimit" to ownCreditLimit, "peerCreditLimit" to peerCreditLimit, "inCapacity" to inCapacity,
                        "outCapacity" to outCapacity, "outOwnCredit" to outOwnCredit, "inPeerCredit" to inPeerCredit,
                    )
                }
                val asked = expect[side].asJsonObject.entrySet().associate { (field, value) -> field to value.asBigInteger }
                assertEquals(asked, found.filterKeys { it in asked.keys }, "$name, $side")
            }
        }
    }

    @Test
    fun signatures() {
        for (vector in vectors("signatures")) {
            val (key, digest) = LocalKey(vector.bytes("secret")) to Hash(vector.text("digest"))
            assertEquals(Address(vector.text("address")), key.address())
            assertEquals(EntityId(vector.text("entity")), key.entity())
            val signature = key.sign(digest)
            assertEquals(vector.text("signature"), "0x" + signature.toHexString())
            assertEquals(key.address(), recoverSigner(digest, signature))
            verifySignature(key.entity(), digest, signature)
        }
    }

    @Test
    fun commitments() {
        for (vector in vectors("commitments")) {
            val (left, right) = EntityId(vector.text("left")) to EntityId(vector.text("right"))
            val (name, top) = channelKey(left, right) to Hash(vector.text("root"))
            assertEquals(Hash(vector.text("channelKey")), name)
            assertEquals(Hash(vector.text("digest")), channelStateDigest(name, vector.text("nonce").toULong(), top))
            val computed = listOf(stateLeaf(Hash(vector.text("stateHash")))) + vector["subchannels"].asJsonArray.map {
                val part = it.asJsonObject
                val key = SubchannelKey(part.text("chainId").toULong(), Address(part.text("depository")))
                subchannelLeaf(key, part.text("epoch").toUInt(), Hash(vector.text("bodyHash")))
            }
            val leaves = vector["leaves"].asJsonArray.map { it.asJsonObject }
            assertEquals(leaves.map { Hash(it.text("leaf")) }, computed)
            for (leaf in leaves) {
                val path = leaf["path"].asJsonArray.map { Hash(it.asString) }
                assertTrue(verifyPath(Hash(leaf.text("leaf")), path, top))
                assertTrue(!verifyPath(Hash("0x" + "ab".repeat(32)), path, top))
            }
        }
    }

    @Test
    fun bodies() {
        for (vector in vectors("bodies")) assertEquals(Hash(vector.text("hash")), bodyHash(vector.bytes("encoded")))
    }

    @Test
    fun boards() {
        for (vector in vectors("organisations")) {
            val members = vector["members"].asJsonArray.map { it.asJsonObject }
                .map { Member(EntityId(it.text("entity")), it.text("weight").toUInt()) }
            val board = Board(vector.text("threshold").toUInt(), members)
            assertEquals(EntityId(vector.text("counterfactual")), organisation(board))
            val ask = Quorum(board, Hash(vector.text("digest")), Permission.STATES).requests().first()
            assertEquals(Hash(vector.text("approval")), ask.digest)
        }
    }

    @Test
    fun recordsOfBothSidesEndInTheSameState() {
        val logs = vectors("record").filter { it.has("bytes") }.groupBy({ it.text("log") }, { it.bytes("bytes") })
        val sides = mapOf("left" to LocalKey(ByteArray(32) { 1 }), "right" to LocalKey(ByteArray(32) { 2 }))
        val ends = sides.map { (side, key) -> replay(key.entity(), logs.getValue(side)).last().roots.single().root }
        assertEquals(ends[0], ends[1])
        val damaged = logs.getValue("left").dropLast(2) + logs.getValue("left").last()
        assertFailsWith<XlnException.Unusable> { replay(sides.getValue("left").entity(), damaged) }
    }
}
