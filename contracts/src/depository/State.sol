// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "../interfaces/IDepositoryTypes.sol";
import {Hashing} from "../lib/Hashing.sol";

/// All that the Depository remembers. The Depository and its extension both start with this one, so that they agree on
/// every slot.
abstract contract State is IDepositoryTypes {
    uint256 internal constant LIMIT = 1 << 127;
    /// Beside a reserve, in its slot: the entity has open debts of this token.
    uint256 internal constant DEBT_MARK = 1 << 255;
    /// Second words of hashed slot keys; above every slot number and 32-bit token, so no two kinds of slot meet.
    uint256 private constant RESERVE_SPACE = 1 << 64;
    uint256 private constant BUCKET_SPACE = 2 << 64;

    /// A channel's header: `u32 epoch << 224 | u32 settlementNonce << 192 | first 24 bytes of the dispute's hash`.
    uint256 internal constant EPOCH = 1 << 224;
    uint256 internal constant SETTLEMENT_NONCE = 1 << 192;
    uint256 internal constant DISPUTE = SETTLEMENT_NONCE - 1;

    /// One slot. `open` counts entries with an amount, `total` is their sum: 2^32 entries below 2^128 fit.
    struct DebtQueue {
        uint32 head;
        uint32 tail;
        uint32 open;
        uint160 total;
    }

    struct Debt {
        bytes32 creditor;
        uint128 amount;
    }

    /// One slot. `hub` is the place in the list of hubs, from 1 on; `gasUsed` counts for hubs only.
    struct Actor {
        uint64 nonce;
        uint32 hub;
        uint160 gasUsed;
    }

    struct HubEntry {
        bytes32 entity;
        string uri;
    }

    /// The channel that a call is about.
    struct Subject {
        bytes32 left;
        bytes32 right;
        bytes32 key;
        uint256 header;
    }

    address internal immutable _entityProvider;
    uint40 internal immutable _disputeWindow;

    mapping(bytes32 entity => mapping(uint32 token => DebtQueue)) internal _debtQueues;
    mapping(bytes32 entity => mapping(uint32 token => mapping(uint256 index => Debt))) internal _debts;
    mapping(uint32 token => TokenInfo) internal _tokens;
    mapping(bytes32 kindAddressId => uint32) internal _tokenIds;
    mapping(bytes32 entity => Actor) internal _actors;
    HubEntry[] internal _hubs;
    uint32 internal _tokenCount = 1;

    /// 0: free; WITHDRAWING: closed; else the token that may hand over NFTs right now.
    /// A whole word, which is written without reading it before.
    uint256 internal transient _lock;
    uint256 internal constant WITHDRAWING = 1;
    /// Whom the Depository's calls to itself are by: the entity of the running batch.
    bytes32 internal transient _actor;
    /// Tokens that the running batch has borrowed.
    uint256 internal transient _flashCount;
    uint256 private constant FLASH_AMOUNTS = 1 << 64;
    uint256 private constant FLASH_TOKENS = 2 << 64;

    constructor(address entityProvider_, uint40 disputeWindow_) {
        (_entityProvider, _disputeWindow) = (entityProvider_, disputeWindow_);
    }

    function _load(bytes32 slot) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function _save(bytes32 slot, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }

    /// Assembly in these two: one hash where a nested mapping takes two. It may see more than a token's 32 bits: masked.
    function _reserveSlot(bytes32 entity, uint32 token) internal pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            mstore(0, entity)
            mstore(0x20, or(RESERVE_SPACE, and(token, 0xffffffff)))
            slot := keccak256(0, 0x40)
        }
    }

    /// Second word of what a bucket's slot is the hash of; the first is the channel's key.
    function _bucketKey(uint32 token) internal pure returns (uint256) {
        return BUCKET_SPACE | token;
    }

    /// Of `ondelta << 128 | collateral`.
    function _bucketSlot(bytes32 key, uint32 token) internal pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            mstore(0, key)
            mstore(0x20, or(BUCKET_SPACE, and(token, 0xffffffff)))
            slot := keccak256(0, 0x40)
        }
    }

    function _unpack(uint256 word) internal pure returns (uint256 collateral, int256 ondelta) {
        return (uint128(word), int256(word) >> 128);
    }

    function _key(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        if (left >= right) revert InvalidChannel();
        return Hashing.words(left, right);
    }

    /// Of a channel's header. Not the key itself, which is a hash of two words that callers choose, as slots of reserves
    /// are; its complement is no hash of anything known.
    function _headerSlot(bytes32 key) internal pure returns (bytes32) {
        return ~key;
    }

    function _epochOf(uint256 header) internal pure returns (uint32) {
        return uint32(header >> 224);
    }

    function _settlementNonceOf(uint256 header) internal pure returns (uint32) {
        return uint32(header >> 192);
    }

    /// What the running batch has to give back of a token.
    function _flashed(uint32 token) internal view returns (uint256 amount) {
        assembly ("memory-safe") {
            amount := tload(or(FLASH_AMOUNTS, and(token, 0xffffffff)))
        }
    }

    function _setFlashed(uint32 token, uint256 amount) internal {
        assembly ("memory-safe") {
            tstore(or(FLASH_AMOUNTS, and(token, 0xffffffff)), amount)
        }
    }

    function _flashToken(uint256 index) internal view returns (uint32 token) {
        assembly ("memory-safe") {
            token := tload(or(FLASH_TOKENS, index))
        }
    }

    function _setFlashToken(uint256 index, uint32 token) internal {
        assembly ("memory-safe") {
            tstore(or(FLASH_TOKENS, index), and(token, 0xffffffff))
        }
    }
}
