package org.xln

/** Bytes of a fixed length, written in hexadecimal. Equal if the bytes are equal. */
public abstract class Hex internal constructor(text: String, length: Int) {
    /** `0x` and lower-case digits. */
    public val hex: String

    init {
        val digits = text.removePrefix("0x")
        require(digits.length == 2 * length && digits.all { it in '0'..'9' || it in 'a'..'f' || it in 'A'..'F' }) {
            "${javaClass.simpleName} has $length bytes in hexadecimal"
        }
        hex = "0x" + digits.lowercase()
    }

    override fun equals(other: Any?): Boolean = other is Hex && other.javaClass == javaClass && other.hex == hex

    override fun hashCode(): Int = hex.hashCode()

    override fun toString(): String = hex
}

/** Who owns money and signs: 32 bytes, tagged by the first. Whether they name an entity is checked where they are used. */
public class EntityId(text: String) : Hex(text, 32)

/** A keccak256 or sha256 hash, or a block hash of a chain. */
public class Hash(text: String) : Hex(text, 32)

/** An address on an EVM chain. */
public class Address(text: String) : Hex(text, 20)

/** A 32-byte preimage that settles a payment. Whoever knows it can take the payment, so it does not print. */
public class Secret(text: String) : Hex(text, 32) {
    override fun toString(): String = "Secret(32 bytes)"
}
