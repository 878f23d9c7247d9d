// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {Eip712} from "./Eip712.sol";
import {Signatures} from "./Signatures.sol";

/// A running dispute and how it starts. It is stored as a hash; who acts on it shows the whole (docs/encodings.md).
abstract contract Starts is Signatures, Eip712 {
    /// u64 nonce, u40 startedAt, u40 answeredAt, u8 flags.
    uint256 internal constant DISPUTE_HEAD = 19;

    uint256 internal constant STARTER_IS_LEFT = 1;
    uint256 internal constant ANSWERED = 2;
    uint256 internal constant STARTER_FILLS = 4;
    uint256 internal constant ANSWERER_FILLS = 8;

    /// In memory; `flags` without those of the fills.
    struct Dispute {
        uint256 nonce;
        uint256 startedAt;
        uint256 answeredAt;
        uint256 flags;
        bytes32 bodyHash;
        bytes32 starterFillsHash;
        bytes32 answererFillsHash;
    }

    function _idle(bytes32 starter, bytes32 peer) internal view returns (Subject memory subject) {
        (bytes32 left, bytes32 right) = starter < peer ? (starter, peer) : (peer, starter);
        bytes32 key = _key(left, right);
        uint256 header = _load(_headerSlot(key));
        if (header & DISPUTE != 0) revert DisputeRunning();
        return Subject(left, right, key, header);
    }

    /// Never on someone's behalf without its signature: its peer could start a stale one and accept it.
    function _requireStarter(
        bytes32 starter,
        Subject memory subject,
        uint64 nonce,
        bytes32 bodyHash,
        bytes32 fillsHash,
        uint64 expiry,
        bytes calldata signature
    ) internal view {
        if (_isCaller(starter, signature)) return;
        if (block.timestamp > expiry) revert Expired();
        bytes32 digest =
            _startDigest(subject.key, _epochOf(subject.header), nonce, bodyHash, _signedHash(fillsHash), expiry);
        _requireSignature(starter, digest, signature, IEntityProvider.Permission.Dispute);
    }

    /// In a dispute no fills are zero; in what is signed they are the hash of no bytes, as EIP-712 has it.
    function _signedHash(bytes32 fillsHash) internal pure returns (bytes32) {
        return fillsHash == 0 ? keccak256("") : fillsHash;
    }

    function _open(
        Subject memory subject,
        uint64 nonce,
        bool starterIsLeft,
        bytes32 bodyHash,
        bytes32 fillsHash,
        bytes calldata fills
    ) internal {
        Dispute memory dispute;
        dispute.nonce = nonce;
        dispute.startedAt = uint40(block.timestamp);
        dispute.flags = starterIsLeft ? STARTER_IS_LEFT : 0;
        dispute.bodyHash = bodyHash;
        dispute.starterFillsHash = fillsHash;
        _record(DisputeStarted.selector, subject, dispute, fills);
    }

    /// Stores the hash and emits DisputeStarted or DisputeAnswered, which have the same fields:
    /// `(left, right, epoch, dispute, fills)`, the first two indexed.
    function _record(bytes32 topic, Subject memory subject, Dispute memory dispute, bytes calldata fills) internal {
        uint256 flags = dispute.flags;
        if (dispute.starterFillsHash != 0) flags |= STARTER_FILLS;
        if (dispute.answererFillsHash != 0) flags |= ANSWERER_FILLS;
        uint256 head = dispute.nonce << 192 | dispute.startedAt << 152 | dispute.answeredAt << 112 | flags << 104;
        uint256 hash;
        // Assembly: the packed bytes are written once, at the place where the event wants them, and hashed there.
        assembly ("memory-safe") {
            let p := mload(0x40)
            let q := add(p, 0x80)
            mstore(q, head)
            mstore(add(q, DISPUTE_HEAD), mload(add(dispute, 0x80)))
            let n := add(DISPUTE_HEAD, 0x20)
            if and(flags, STARTER_FILLS) {
                mstore(add(q, n), mload(add(dispute, 0xa0)))
                n := add(n, 0x20)
            }
            if and(flags, ANSWERER_FILLS) {
                mstore(add(q, n), mload(add(dispute, 0xc0)))
                n := add(n, 0x20)
            }
            mstore(add(q, n), 0)
            mstore(sub(q, 0x20), mload(add(subject, 0x40)))
            hash := keccak256(sub(q, 0x20), add(n, 0x20))
            mstore(p, shr(224, mload(add(subject, 0x60))))
            mstore(add(p, 0x20), 0x60)
            let second := add(0x80, and(add(n, 31), not(31)))
            mstore(add(p, 0x40), second)
            mstore(add(p, 0x60), n)
            let f := add(p, second)
            mstore(f, fills.length)
            calldatacopy(add(f, 0x20), fills.offset, fills.length)
            mstore(add(add(f, 0x20), fills.length), 0)
            log3(
                p,
                add(add(second, 0x20), and(add(fills.length, 31), not(31))),
                topic,
                mload(subject),
                mload(add(subject, 0x20))
            )
        }
        _save(_headerSlot(subject.key), (subject.header & ~DISPUTE) | hash >> 64);
    }
}
