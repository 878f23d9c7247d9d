package org.xln

import com.google.gson.JsonParser
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** The logs of scenarios replay to the state roots that the Rust side had after each record. */
class ReplayTest {
    @Test
    fun scenariosGiveTheSameRoots() {
        val folder = File(checkNotNull(System.getProperty("xln.records")) { "set by scripts/kotlin.sh" })
        val files = folder.listFiles { file -> file.extension == "json" }.orEmpty()
        assertTrue(files.isNotEmpty(), "$folder has no records")
        var roots = 0
        for (file in files) {
            val life = JsonParser.parseString(file.readText()).asJsonObject
            fun bytes(text: String) = text.removePrefix("0x").hexToByteArray()
            val snapshot = life["snapshot"].takeUnless { it.isJsonNull }?.let { bytes(it.asString) }
            val records = life["records"].asJsonArray.map { bytes(it.asString) }
            val found = replay(EntityId(life["entity"].asString), records, snapshot)
                .map { after -> after.roots.associate { it.peer to it.root } }
            val expected = life["roots"].asJsonArray.map { after ->
                after.asJsonObject.entrySet().associate { (peer, root) -> EntityId(peer) to Hash(root.asString) }
            }
            assertEquals(expected, found, file.name)
            roots += found.sumOf { it.size }
        }
        assertTrue(roots > 100, "only $roots roots")
    }
}
