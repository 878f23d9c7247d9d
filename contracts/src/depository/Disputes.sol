// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {Hashing} from "../lib/Hashing.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Clauses} from "./Clauses.sol";
import {Starts} from "./Starts.sol";

/// docs/protocol.md section 7, word for word.
abstract contract Disputes is Clauses, Starts {
    using BodyCodec for bytes;

    /// Fills of swap offers in one argument, and the bytes of each.
    uint256 internal constant MAX_FILLS = 32;
    uint256 private constant FILL_ENTRY = 24;

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
        bytes32 digest = _stateDigest(subject.key, _epochOf(subject.header), proof);
        _requireSignature(peer, digest, proof.signature, IEntityProvider.Permission.States);
        bytes32 fillsHash = _fillsHash(fills);
        _requireStarter(starter, subject, proof.nonce, proof.bodyHash, fillsHash, expiry, starterSignature);
        _open(subject, proof.nonce, starter < peer, proof.bodyHash, fillsHash, fills);
    }

    // Answer.

    function acceptDispute(
        bytes32 left,
        bytes32 right,
        bytes calldata dispute,
        bytes calldata fills,
        bytes calldata answererSignature
    ) external {
        (Subject memory subject, Dispute memory next) = _answerable(left, right, dispute);
        if (next.flags & ANSWERED != 0) revert AlreadyAnswered();
        _answer(subject, next, fills, answererSignature);
    }

    function counterDispute(
        bytes32 left,
        bytes32 right,
        bytes calldata dispute,
        StateProof calldata proof,
        bytes calldata fills,
        bytes calldata answererSignature
    ) external {
        (Subject memory subject, Dispute memory next) = _answerable(left, right, dispute);
        bytes32 digest = _replaceState(subject, next, proof);
        bytes32 starter = next.flags & STARTER_IS_LEFT != 0 ? left : right;
        _requireSignature(starter, digest, proof.signature, IEntityProvider.Permission.States);
        _answer(subject, next, fills, answererSignature);
    }

    /// The answer, if there was one, was to an older state: it is void, and the non-starter may answer again.
    function counterDisputeWithBoth(
        bytes32 left,
        bytes32 right,
        bytes calldata dispute,
        StateProof calldata proof,
        bytes calldata rightSignature
    ) external {
        (Subject memory subject, Dispute memory next) = _answerable(left, right, dispute);
        bytes32 digest = _replaceState(subject, next, proof);
        _requireSignature(left, digest, proof.signature, IEntityProvider.Permission.States);
        _requireSignature(right, digest, rightSignature, IEntityProvider.Permission.States);
        next.flags &= ~ANSWERED;
        _record(DisputeAnswered.selector, subject, next, msg.data[:0]);
    }

    function _answerable(bytes32 left, bytes32 right, bytes calldata dispute)
        private
        view
        returns (Subject memory subject, Dispute memory next)
    {
        (subject, next) = _running(left, right, dispute);
        // An answer counts at the deadline itself (rule 9).
        if (block.timestamp > _deadline(next.startedAt)) revert DeadlinePassed();
    }

    /// A strictly newer state takes the place of the shown one. Fills are bound to a body: those of another one go.
    function _replaceState(Subject memory subject, Dispute memory next, StateProof calldata proof)
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
        return _stateDigest(subject.key, _epochOf(subject.header), proof);
    }

    function _answer(Subject memory subject, Dispute memory next, bytes calldata fills, bytes calldata signature) private {
        bytes32 answerer = next.flags & STARTER_IS_LEFT != 0 ? subject.right : subject.left;
        bytes32 fillsHash = _fillsHash(fills);
        if (!_isCaller(answerer, signature)) {
            // Safe: nonces of proofs are 64-bit.
            bytes32 digest = _answerDigest(
                subject.key, _epochOf(subject.header), uint64(next.nonce), next.bodyHash, _signedHash(fillsHash)
            );
            _requireSignature(answerer, digest, signature, IEntityProvider.Permission.Dispute);
        }
        next.flags |= ANSWERED;
        next.answeredAt = uint40(block.timestamp);
        next.answererFillsHash = fillsHash;
        _record(DisputeAnswered.selector, subject, next, fills);
    }

    // Finalize.

    /// A body that does not decode can never be finalized. Its hash was signed by the starter's peer or by both, and
    /// nodes refuse to sign such; the empty state, a newer state or a co-signed close still end the dispute.
    function finalizeDispute(
        bytes32 left,
        bytes32 right,
        bytes calldata dispute,
        bytes calldata body,
        bytes calldata starterFills,
        bytes calldata answererFills
    ) external {
        (Subject memory subject, Dispute memory shown) = _running(left, right, dispute);
        if (Hashing.bytesHash(body) != shown.bodyHash) revert BodyMismatch();
        uint256 answeredAt = _checkFinalize(subject, shown, starterFills, answererFills);
        (uint256[] memory collaterals_, int256[] memory deltas) = _loadTokens(subject.key, body, _tokensOf(body));
        uint256 pos = 1 + deltas.length * BodyCodec.TOKEN_ENTRY;
        if (body.length != pos + 1 || body.u8(pos) != 0) {
            ISubcontractProvider.Context memory context;
            // Safe, all of them: 40 bits in the dispute, or a block's time.
            uint40 startedAt = uint40(shown.startedAt);
            context.startedAt = startedAt;
            uint256 deadline = _deadline(startedAt);
            context.deadline = deadline > type(uint40).max ? type(uint40).max : uint40(deadline);
            if (shown.flags & STARTER_IS_LEFT != 0) {
                (context.leftFills, context.leftFillsAt) = (starterFills, startedAt);
                (context.rightFills, context.rightFillsAt) = (answererFills, uint40(answeredAt));
            } else {
                (context.leftFills, context.leftFillsAt) = (answererFills, uint40(answeredAt));
                (context.rightFills, context.rightFillsAt) = (starterFills, startedAt);
            }
            _applyClauses(body, pos, collaterals_, deltas, context);
        }
        _endEpoch(subject, body, collaterals_, deltas);
    }

    /// Who may finalize when, and with which fills. Returns when the non-starter answered.
    function _checkFinalize(
        Subject memory subject,
        Dispute memory shown,
        bytes calldata starterFills,
        bytes calldata answererFills
    ) private view returns (uint256 answeredAt) {
        if (_fillsHash(starterFills) != shown.starterFillsHash) revert FillsMismatch();
        bytes32 answererFillsHash = _fillsHash(answererFills);
        if (block.timestamp <= _deadline(shown.startedAt) && shown.flags & ANSWERED == 0) {
            // The non-starter's early finalize is its answer.
            if (_caller() != (shown.flags & STARTER_IS_LEFT != 0 ? subject.right : subject.left)) revert TooEarly();
            return block.timestamp;
        }
        if (answererFillsHash != shown.answererFillsHash) revert FillsMismatch();
        return shown.answeredAt;
    }

    /// The last second in which an answer counts.
    function _deadline(uint256 startedAt) private view returns (uint256) {
        unchecked {
            return startedAt + _disputeWindow;
        }
    }

    function _running(bytes32 left, bytes32 right, bytes calldata dispute)
        private
        view
        returns (Subject memory subject, Dispute memory shown)
    {
        bytes32 key = _key(left, right);
        uint256 header = _load(_headerSlot(key));
        uint256 given;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, key)
            calldatacopy(add(p, 0x20), dispute.offset, dispute.length)
            given := keccak256(p, add(dispute.length, 0x20))
        }
        if (header & DISPUTE != given >> 64) {
            if (header & DISPUTE == 0) revert NoDispute();
            revert DisputeMismatch();
        }
        subject = Subject(left, right, key, header);
        // Equal hash, equal bytes: they are as `_record` wrote them.
        unchecked {
            uint256 head = uint256(dispute.word(0));
            shown.nonce = head >> 192;
            shown.startedAt = uint40(head >> 152);
            shown.answeredAt = uint40(head >> 112);
            shown.flags = (head >> 104) & (STARTER_IS_LEFT | ANSWERED);
            shown.bodyHash = dispute.word(DISPUTE_HEAD);
            uint256 pos = DISPUTE_HEAD + 32;
            if (head >> 104 & STARTER_FILLS != 0) {
                shown.starterFillsHash = dispute.word(pos);
                pos += 32;
            }
            if (head >> 104 & ANSWERER_FILLS != 0) shown.answererFillsHash = dispute.word(pos);
        }
    }

    function _fillsHash(bytes calldata fills) private pure returns (bytes32) {
        if (fills.length == 0) return 0;
        if (fills.length > MAX_FILLS * FILL_ENTRY) revert FillsTooLong();
        return Hashing.bytesHash(fills);
    }
}
