// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {Hashing} from "../lib/Hashing.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Clauses} from "./Clauses.sol";

/// docs/protocol.md section 7, word for word. A running dispute is one hash; who acts on it shows the whole.
abstract contract Disputes is Clauses {
    using BodyCodec for bytes;

    /// Fills of swap offers in one argument, and the bytes of each.
    uint256 internal constant MAX_FILLS = 32;
    uint256 private constant FILL_ENTRY = 24;

    /// The channel that a start is about.
    struct Subject {
        bytes32 left;
        bytes32 right;
        bytes32 key;
        uint32 epoch;
    }

    // Start.

    function startDispute(
        bytes32 starter,
        bytes32 peer,
        StateProof calldata proof,
        bytes calldata fills,
        uint64 expiry,
        bytes calldata starterSignature
    ) external {
        Subject memory subject = _idle(starter, peer);
        // Nonce 0 is the empty state, which has a function of its own.
        if (proof.nonce == 0) revert NonceNotNewer();
        bytes32 digest = _stateDigest(subject.key, subject.epoch, proof);
        _requireSignature(peer, digest, proof.signature, IEntityProvider.Permission.States);
        bytes32 fillsHash = _fillsHash(fills);
        _requireStarter(starter, subject, proof.nonce, proof.bodyHash, fillsHash, expiry, starterSignature);
        _open(subject, proof.nonce, starter < peer, proof.bodyHash, fillsHash, fills);
    }

    function startEmptyDispute(
        bytes32 starter,
        bytes32 peer,
        uint32[] calldata list,
        uint64 expiry,
        bytes calldata starterSignature
    ) external {
        Subject memory subject = _idle(starter, peer);
        bytes memory body = _emptyBody(list);
        bytes32 bodyHash = keccak256(body);
        _requireStarter(starter, subject, 0, bodyHash, 0, expiry, starterSignature);
        _open(subject, 0, starter < peer, bodyHash, 0, msg.data[:0]);
        emit EmptyState(subject.left, subject.right, body);
    }

    function _idle(bytes32 starter, bytes32 peer) private view returns (Subject memory subject) {
        (bytes32 left, bytes32 right) = starter < peer ? (starter, peer) : (peer, starter);
        bytes32 key = _key(left, right);
        if (_channels[key].disputeHash != 0) revert DisputeRunning();
        return Subject(left, right, key, _channels[key].epoch);
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
    ) private view {
        if (_isCaller(starter, signature)) return;
        if (block.timestamp > expiry) revert Expired();
        bytes32 digest = _startDigest(subject.key, subject.epoch, nonce, bodyHash, _signedHash(fillsHash), expiry);
        _requireSignature(starter, digest, signature, IEntityProvider.Permission.Dispute);
    }

    function _open(
        Subject memory subject,
        uint64 nonce,
        bool starterIsLeft,
        bytes32 bodyHash,
        bytes32 fillsHash,
        bytes calldata fills
    ) private {
        Dispute memory dispute;
        dispute.nonce = nonce;
        dispute.startedAt = uint40(block.timestamp);
        dispute.starterIsLeft = starterIsLeft;
        dispute.bodyHash = bodyHash;
        dispute.starterFillsHash = fillsHash;
        bytes32 topic = DisputeStarted.selector;
        _record(topic, subject.left, subject.right, subject.key, subject.epoch, dispute, fills);
    }

    /// Offdelta 0 for each token, no clauses.
    function _emptyBody(uint32[] calldata list) private pure returns (bytes memory body) {
        uint256 n = list.length;
        if (n > MAX_TOKENS) revert MalformedBody();
        body = new bytes(2 + n * BodyCodec.TOKEN_ENTRY);
        body[0] = bytes1(uint8(n));
        for (uint256 i; i < n; ++i) {
            uint32 token = list[i];
            if (i != 0 && token <= list[i - 1]) revert MalformedBody();
            for (uint256 b; b < 4; ++b) {
                body[1 + i * BodyCodec.TOKEN_ENTRY + b] = bytes4(token)[b];
            }
        }
    }

    // Answer.

    function acceptDispute(
        bytes32 left,
        bytes32 right,
        Dispute calldata dispute,
        bytes calldata fills,
        bytes calldata answererSignature
    ) external {
        (bytes32 key, uint32 epoch, Dispute memory next) = _answerable(left, right, dispute);
        if (next.answered) revert AlreadyAnswered();
        _answer(left, right, key, epoch, next, fills, answererSignature);
    }

    function counterDispute(
        bytes32 left,
        bytes32 right,
        Dispute calldata dispute,
        StateProof calldata proof,
        bytes calldata fills,
        bytes calldata answererSignature
    ) external {
        (bytes32 key, uint32 epoch, Dispute memory next) = _answerable(left, right, dispute);
        bytes32 digest = _replaceState(next, key, epoch, proof);
        bytes32 starter = next.starterIsLeft ? left : right;
        _requireSignature(starter, digest, proof.signature, IEntityProvider.Permission.States);
        _answer(left, right, key, epoch, next, fills, answererSignature);
    }

    /// The answer, if there was one, was to an older state: it is void, and the non-starter may answer again.
    function counterDisputeWithBoth(
        bytes32 left,
        bytes32 right,
        Dispute calldata dispute,
        StateProof calldata proof,
        bytes calldata rightSignature
    ) external {
        (bytes32 key, uint32 epoch, Dispute memory next) = _answerable(left, right, dispute);
        bytes32 digest = _replaceState(next, key, epoch, proof);
        _requireSignature(left, digest, proof.signature, IEntityProvider.Permission.States);
        _requireSignature(right, digest, rightSignature, IEntityProvider.Permission.States);
        next.answered = false;
        _record(DisputeAnswered.selector, left, right, key, epoch, next, msg.data[:0]);
    }

    function _answerable(bytes32 left, bytes32 right, Dispute calldata dispute)
        private
        view
        returns (bytes32 key, uint32 epoch, Dispute memory next)
    {
        (key, epoch) = _running(left, right, dispute);
        next = dispute;
        // An answer counts at the deadline itself (rule 9).
        if (block.timestamp > _deadline(next.startedAt)) revert DeadlinePassed();
    }

    /// A strictly newer state takes the place of the shown one. Fills are bound to a body: those of another one go.
    function _replaceState(Dispute memory next, bytes32 key, uint32 epoch, StateProof calldata proof)
        private
        view
        returns (bytes32 digest)
    {
        if (proof.nonce <= next.nonce) revert NonceNotNewer();
        next.nonce = proof.nonce;
        if (next.bodyHash != proof.bodyHash) {
            next.bodyHash = proof.bodyHash;
            next.starterFillsHash = 0;
            next.answererFillsHash = 0;
            next.answeredAt = 0;
        }
        return _stateDigest(key, epoch, proof);
    }

    function _answer(
        bytes32 left,
        bytes32 right,
        bytes32 key,
        uint32 epoch,
        Dispute memory next,
        bytes calldata fills,
        bytes calldata signature
    ) private {
        bytes32 answerer = next.starterIsLeft ? right : left;
        bytes32 fillsHash = _fillsHash(fills);
        if (!_isCaller(answerer, signature)) {
            bytes32 digest = _answerDigest(key, epoch, next.nonce, next.bodyHash, _signedHash(fillsHash));
            _requireSignature(answerer, digest, signature, IEntityProvider.Permission.Dispute);
        }
        next.answered = true;
        next.answeredAt = uint40(block.timestamp);
        next.answererFillsHash = fillsHash;
        _record(DisputeAnswered.selector, left, right, key, epoch, next, fills);
    }

    // Finalize.

    /// A body that does not decode can never be finalized. Its hash was signed by the starter's peer or by both, and
    /// nodes refuse to sign such; the empty state, a newer state or a co-signed close still end the dispute.
    function finalizeDispute(
        bytes32 left,
        bytes32 right,
        Dispute calldata dispute,
        bytes calldata body,
        bytes calldata starterFills,
        bytes calldata answererFills
    ) external {
        (bytes32 key,) = _running(left, right, dispute);
        if (Hashing.bytesHash(body) != dispute.bodyHash) revert BodyMismatch();
        uint40 answeredAt = _checkFinalize(left, right, dispute, starterFills, answererFills);
        (uint256[] memory collaterals_, int256[] memory deltas) = _loadTokens(key, body, _tokensOf(body));
        uint256 pos = 1 + deltas.length * BodyCodec.TOKEN_ENTRY;
        if (body.length != pos + 1 || body.u8(pos) != 0) {
            ISubcontractProvider.Context memory context;
            context.startedAt = dispute.startedAt;
            if (dispute.starterIsLeft) {
                (context.leftFills, context.leftFillsAt) = (starterFills, dispute.startedAt);
                (context.rightFills, context.rightFillsAt) = (answererFills, answeredAt);
            } else {
                (context.leftFills, context.leftFillsAt) = (answererFills, answeredAt);
                (context.rightFills, context.rightFillsAt) = (starterFills, dispute.startedAt);
            }
            _applyClauses(body, pos, collaterals_, deltas, context);
        }
        _endEpoch(left, right, key, body, collaterals_, deltas);
    }

    /// Who may finalize when, and with which fills. Returns when the non-starter answered.
    function _checkFinalize(
        bytes32 left,
        bytes32 right,
        Dispute calldata dispute,
        bytes calldata starterFills,
        bytes calldata answererFills
    ) private view returns (uint40 answeredAt) {
        if (_fillsHash(starterFills) != dispute.starterFillsHash) revert FillsMismatch();
        bytes32 answererFillsHash = _fillsHash(answererFills);
        if (block.timestamp <= _deadline(dispute.startedAt) && !dispute.answered) {
            // The non-starter's early finalize is its answer.
            if (_caller() != (dispute.starterIsLeft ? right : left)) revert TooEarly();
            return uint40(block.timestamp);
        }
        if (answererFillsHash != dispute.answererFillsHash) revert FillsMismatch();
        return dispute.answeredAt;
    }

    function _running(bytes32 left, bytes32 right, Dispute calldata dispute)
        private
        view
        returns (bytes32 key, uint32 epoch)
    {
        key = _key(left, right);
        Channel storage ch = _channels[key];
        bytes32 running = ch.disputeHash;
        bytes32 given;
        // Assembly: the struct's eight words straight from calldata. Equal hash, equal words: none is out of range.
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, dispute, 0x100)
            given := keccak256(p, 0x100)
        }
        if (running != given) {
            if (running == 0) revert NoDispute();
            revert DisputeMismatch();
        }
        epoch = ch.epoch;
    }

    /// Stores the hash and emits DisputeStarted or DisputeAnswered, which have the same fields:
    /// `(left, right, epoch, dispute, fills)`, the first two indexed.
    function _record(
        bytes32 topic,
        bytes32 left,
        bytes32 right,
        bytes32 key,
        uint32 epoch,
        Dispute memory dispute,
        bytes calldata fills
    ) private {
        Channel storage ch = _channels[key];
        bytes32 hash;
        // Assembly: in memory the struct is its own abi.encode, so the event needs one copy instead of eight checked
        // fields (some 500 gas in each step of a dispute).
        assembly ("memory-safe") {
            hash := keccak256(dispute, 0x100)
            let p := mload(0x40)
            mstore(p, epoch)
            mcopy(add(p, 0x20), dispute, 0x100)
            mstore(add(p, 0x120), 0x140)
            mstore(add(p, 0x140), fills.length)
            calldatacopy(add(p, 0x160), fills.offset, fills.length)
            mstore(add(add(p, 0x160), fills.length), 0)
            log3(p, add(0x160, and(add(fills.length, 31), not(31))), topic, left, right)
        }
        ch.disputeHash = hash;
    }

    function _fillsHash(bytes calldata fills) private pure returns (bytes32) {
        if (fills.length == 0) return 0;
        if (fills.length > MAX_FILLS * FILL_ENTRY) revert FillsTooLong();
        return Hashing.bytesHash(fills);
    }

    /// In a Dispute no fills are zero; in what is signed they are the hash of no bytes, as EIP-712 has it.
    function _signedHash(bytes32 fillsHash) private pure returns (bytes32) {
        return fillsHash == 0 ? keccak256("") : fillsHash;
    }
}
