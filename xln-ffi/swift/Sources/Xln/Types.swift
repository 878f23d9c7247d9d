import Foundation

/// Text that is not what its type says.
public struct MalformedText: Error, CustomStringConvertible {
    /// What was expected.
    public let description: String
}

/// An amount of a token in its base unit, from 0 to 2^256 - 1, as decimal text without leading zeros. Digits are checked
/// here, the range where the amount is used.
public struct Amount: Hashable, Comparable, Sendable, Codable, CustomStringConvertible, ExpressibleByIntegerLiteral {
    /// Decimal digits.
    public let description: String

    /// Takes decimal digits.
    public init(_ text: String) throws {
        description = try decimal(text)
    }

    /// Takes a number that fits 64 bits.
    public init(_ value: UInt64) { description = String(value) }

    public init(integerLiteral value: UInt64) { self.init(value) }

    public init(from decoder: Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// The number, if it fits 64 bits.
    public var uint64: UInt64? { UInt64(description) }

    public static func < (a: Amount, b: Amount) -> Bool { isBelow(a.description, b.description) }
}

/// A change or a balance of a token in its base unit, from -2^255 to 2^255 - 1, as decimal text. Digits are checked here, the
/// range where it is used.
public struct SignedAmount: Hashable, Comparable, Sendable, Codable, CustomStringConvertible, ExpressibleByIntegerLiteral {
    /// Decimal digits, after a minus for what is below zero.
    public let description: String

    /// Takes decimal digits, with or without a minus.
    public init(_ text: String) throws {
        let digits = try decimal(text.hasPrefix("-") ? String(text.dropFirst()) : text)
        description = text.hasPrefix("-") && digits != "0" ? "-" + digits : digits
    }

    /// Takes a number that fits 64 bits.
    public init(_ value: Int64) { description = String(value) }

    public init(integerLiteral value: Int64) { self.init(value) }

    public init(from decoder: Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// The number, if it fits 64 bits.
    public var int64: Int64? { Int64(description) }

    public static func < (a: SignedAmount, b: SignedAmount) -> Bool {
        switch (a.description.hasPrefix("-"), b.description.hasPrefix("-")) {
        case (true, false): return true
        case (false, true): return false
        case (false, false): return isBelow(a.description, b.description)
        case (true, true): return isBelow(b.description, a.description)
        }
    }
}

private func decimal(_ text: String) throws -> String {
    guard !text.isEmpty, text.utf8.count <= 80, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { throw MalformedText(description: "an amount is decimal digits") }
    let digits = text.drop { $0 == "0" }
    return digits.isEmpty ? "0" : String(digits)
}

/// Compares digits without leading zeros; of two negative numbers the one with the greater text is below.
private func isBelow(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count ? a < b : a.utf8.count < b.utf8.count
}

/// Bytes of a fixed length, written in hexadecimal. Equal if the bytes are equal.
public protocol HexBytes: Hashable, Sendable, Codable, CustomStringConvertible {
    /// How many bytes.
    static var length: Int { get }
    /// `0x` and lower-case digits.
    var hex: String { get }
    /// Takes hexadecimal with or without `0x`.
    init(_ text: String) throws
}

extension HexBytes {
    public var description: String { hex }

    public init(from decoder: Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    fileprivate static func normal(_ text: String) throws -> String {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : Substring(text)
        guard digits.utf8.count == 2 * length, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw MalformedText(description: "\(Self.self) has \(length) bytes in hexadecimal")
        }
        return "0x" + digits.lowercased()
    }
}

/// Who owns money and signs: 32 bytes, tagged by the first. Whether they name an entity is checked where they are used.
public struct EntityId: HexBytes {
    public static let length = 32
    public let hex: String
    public init(_ text: String) throws { hex = try Self.normal(text) }
}

/// A keccak256 or sha256 hash, or a block hash of a chain.
public struct Hash: HexBytes {
    public static let length = 32
    public let hex: String
    public init(_ text: String) throws { hex = try Self.normal(text) }
}

/// An address on an EVM chain.
public struct Address: HexBytes {
    public static let length = 20
    public let hex: String
    public init(_ text: String) throws { hex = try Self.normal(text) }
}

/// A 32-byte preimage that settles a payment. Whoever knows it can take the payment, so it does not print.
public struct Secret: HexBytes, CustomDebugStringConvertible {
    public static let length = 32
    public let hex: String
    public init(_ text: String) throws { hex = try Self.normal(text) }
    public var description: String { "Secret(32 bytes)" }
    public var debugDescription: String { description }
}

extension XlnError: CustomStringConvertible {}
extension HostError: CustomStringConvertible {}

extension XlnError: LocalizedError {
    public var errorDescription: String? { description }
}
