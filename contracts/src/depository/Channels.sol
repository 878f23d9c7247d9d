// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {Hashing} from "../lib/Hashing.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Eip712} from "./Eip712.sol";
import {Tokens} from "./Tokens.sol";
import {Updates} from "./Updates.sol";

/// Collateral: funding, co-signed settlements, and the split that ends an epoch. docs/protocol.md sections 4 and 7.
abstract contract Channels is Tokens, Eip712 {
    using BodyCodec for bytes;

    /// Flags of the events' heads.
    uint256 private constant WITH_TOKEN = 1 << 96;
    uint256 private constant LEFT_CHANGED = 2 << 96;
    uint256 private constant RIGHT_CHANGED = 4 << 96;

    function _saveBucket(bytes32 slot, uint256 collateral, int256 ondelta) private returns (uint256 bucket) {
        unchecked {
            // The sum moves [-LIMIT, LIMIT) to [0, 2 LIMIT); -LIMIT itself is refused by the strict bound.
            if (collateral >= LIMIT || uint256(ondelta + int256(LIMIT) - 1) >= 2 * LIMIT - 1) revert AmountOutOfRange();
        }
        bucket = uint256(ondelta) << 128 | collateral;
        _save(slot, bucket);
    }

    function reserveToCollateral(uint32 token, bytes calldata fundings) external {
        bytes32 caller = _caller();
        (uint256 pos, uint256 total) = _fundOwn(caller, token, fundings);
        unchecked {
            // Amounts are below 2^128: no sum of as many of them as calldata holds overflows.
            while (pos < fundings.length) {
                uint256 size = fundings.u8(pos);
                bytes32 receiver;
                bytes32 peer;
                (receiver, peer, pos) = _fundingEnds(fundings, pos, size, caller);
                size &= 0x1f;
                if (size > 16) revert MalformedFundings();
                uint256 amount = uint256(fundings.word(pos)) >> (256 - size * 8);
                pos += size;
                if (amount == 0) revert ZeroAmount();
                total += amount;
                if (receiver < peer) _fund(receiver, peer, token, amount, amount);
                else _fund(peer, receiver, token, amount, 0);
            }
        }
        // What was read past the end does not count: all of this reverts.
        if (pos != fundings.length) revert MalformedFundings();
        if (total == 0) revert ZeroAmount();
        _debit(caller, token, total);
    }

    /// The common ones, in favour of the caller and with another account, as far as there are no others before them: the
    /// same as the loop around `_fund`, for less gas. It stops before anything that is odd, which the other loop names.
    function _fundOwn(bytes32 owner, uint32 token, bytes calldata fundings) private returns (uint256 pos, uint256 total) {
        uint256 key = _bucketKey(token);
        bytes32 topic = CollateralUpdated.selector;
        assembly ("memory-safe") {
            // Two pairs of words of which only the first or the last changes: for the bucket's slot, and for the event.
            let p := mload(0x40)
            mstore(add(p, 0x20), key)
            mstore(add(p, 0x40), and(key, 0xffffffff))
            for {} lt(pos, fundings.length) {} {
                let word := calldataload(add(fundings.offset, pos))
                if xor(shr(253, word), 5) { break }
                let left := shr(96, shl(8, word))
                let amount := and(shr(248, word), 0x1f)
                let next := add(pos, add(21, amount))
                word := gt(amount, 15)
                amount := shr(sub(256, shl(3, amount)), calldataload(add(fundings.offset, add(pos, 21))))
                let right := xor(left, owner)
                // Zero by a product that wraps, not by a factor: odd, too, and right in the other loop.
                if or(word, iszero(mul(mul(left, right), amount))) { break }
                word := lt(owner, left)
                // Both or none are changed for the other.
                right := mul(right, word)
                left := xor(left, right)
                right := xor(owner, right)
                mstore(0, left)
                mstore(0x20, right)
                mstore(p, keccak256(0, 0x40))
                let slot := keccak256(p, 0x40)
                let old := sload(slot)
                // The amount is below 2^120, the collateral below 2^127: no carry.
                word := add(old, mul(amount, add(1, shl(128, word))))
                // Collateral or ondelta out of range: their first bits come to be set.
                if and(and(word, not(old)), 0x8000000000000000000000000000000080000000000000000000000000000000) { break }
                sstore(slot, word)
                mstore(add(p, 0x60), word)
                log3(add(p, 0x40), 0x40, topic, left, right)
                total := add(total, amount)
                pos := next
            }
        }
    }

    function _fundingEnds(bytes calldata fundings, uint256 pos, uint256 head, bytes32 caller)
        private
        pure
        returns (bytes32 receiver, bytes32 peer, uint256)
    {
        (receiver, peer) = (caller, caller);
        unchecked {
            uint256 size = head & 0x80 == 0 ? 32 : 20;
            ++pos;
            if (head & 0x20 == 0) {
                receiver = fundings.word(pos) >> (256 - size * 8);
                pos += size;
                _checkEntity(receiver);
            }
            if (head & 0x40 == 0) {
                peer = fundings.word(pos) >> (256 - size * 8);
                pos += size;
                _checkEntity(peer);
            }
        }
        return (receiver, peer, pos);
    }

    /// `toLeft` is what of the amount is in favour of left.
    function _fund(bytes32 left, bytes32 right, uint256 token, uint256 amount, uint256 toLeft) private {
        if (left == right) revert InvalidChannel();
        // Safe: the argument of the call is a 32-bit token.
        bytes32 slot = _bucketSlot(Hashing.words(left, right), uint32(token));
        uint256 word = _load(slot);
        unchecked {
            // All terms are below 2^128; an ondelta that only grows stays above its lower bound.
            amount += uint128(word);
            int256 ondelta = (int256(word) >> 128) + int256(toLeft);
            if (amount >= LIMIT || ondelta >= int256(LIMIT)) revert AmountOutOfRange();
            word = uint256(ondelta) << 128 | amount;
        }
        _save(slot, word);
        bytes32 topic = CollateralUpdated.selector;
        // Assembly: two words, in scratch memory.
        assembly ("memory-safe") {
            mstore(0, token)
            mstore(0x20, word)
            log3(0, 0x40, topic, left, right)
        }
    }

    // Co-signed.

    function cooperativeUpdate(
        bytes32 left,
        bytes32 right,
        uint64 expiry,
        bytes calldata update,
        bytes calldata leftSignature,
        bytes calldata rightSignature
    ) external {
        bytes32 key = _key(left, right);
        uint256 header = _load(_headerSlot(key));
        if (header & DISPUTE != 0) revert DisputeRunning();
        uint256 diffsEnd = Updates.check(update);
        bytes32 digest = _consentDigest(false, key, header, expiry, update);
        _requireUpdateBy(left, digest, leftSignature, update, 0);
        _requireUpdateBy(right, digest, rightSignature, update, 1);
        if (_settlementNonceOf(header) == type(uint32).max) revert AmountOutOfRange();
        unchecked {
            header += SETTLEMENT_NONCE;
        }
        _save(_headerSlot(key), header);
        // Forgiveness first, then the diffs: a forgiven debt no longer binds what the diffs take out.
        _applyForgiveness(left, right, update[diffsEnd + 1:]);
        _applyDiffs(left, right, key, header, update[1:diffsEnd]);
    }

    function _consentDigest(bool close, bytes32 key, uint256 header, uint64 expiry, bytes calldata data)
        private
        view
        returns (bytes32)
    {
        if (block.timestamp > expiry) revert Expired();
        return _settlementDigest(close, key, _epochOf(header), _settlementNonceOf(header), expiry, data);
    }

    /// `side` of the update is the entity's: 0 left, 1 right.
    function _requireUpdateBy(bytes32 entity, bytes32 digest, bytes calldata signature, bytes calldata update, uint256 side)
        private
    {
        if (_isCaller(entity, signature) || _signedByKey(entity, digest, signature)) return;
        IEntityProvider.Outflow[] memory outflows = new IEntityProvider.Outflow[](Updates.maxOutflows(update.length));
        uint256 n = Updates.outflows(update, side, outflows, 0);
        assembly ("memory-safe") {
            mstore(outflows, n)
        }
        _requireSpend(entity, digest, signature, outflows);
    }

    function cooperativeClose(
        bytes32 left,
        bytes32 right,
        uint64 expiry,
        bytes calldata body,
        bytes calldata leftSignature,
        bytes calldata rightSignature
    ) external {
        bytes32 key = _key(left, right);
        uint256 header = _load(_headerSlot(key));
        bytes32 digest = _consentDigest(true, key, header, expiry, body);
        _requireCloseBy(left, digest, leftSignature);
        _requireCloseBy(right, digest, rightSignature);
        _close(Subject(left, right, key, header), body);
    }

    function _close(Subject memory subject, bytes calldata body) private {
        uint256 n = _tokensOf(body);
        // No clauses, and nothing behind them.
        if (body.length != 2 + n * BodyCodec.TOKEN_ENTRY || body.u8(body.length - 1) != 0) revert MalformedBody();
        (uint256[] memory collaterals_, int256[] memory deltas) = _loadTokens(subject.key, body, n);
        _endEpoch(subject, body, collaterals_, deltas);
    }

    /// Any offdeltas can stand in a close, and what they owe comes from the reserve: no limit covers it.
    function _requireCloseBy(bytes32 entity, bytes32 digest, bytes calldata signature) private {
        if (_isCaller(entity, signature) || _signedByKey(entity, digest, signature)) return;
        IEntityProvider.Outflow[] memory outflows = new IEntityProvider.Outflow[](2);
        // How many it wrote is known: two.
        // slither-disable-next-line unused-return
        Updates.boundless(outflows, 0);
        _requireSpend(entity, digest, signature, outflows);
    }

    function _applyForgiveness(bytes32 left, bytes32 right, bytes calldata entries) private {
        uint256 last;
        for (uint256 p; p < entries.length; p += Updates.FORGIVEN_ENTRY) {
            uint32 token = entries.u32(p);
            uint256 debtorIsLeft = entries.u8(p + 4);
            uint64 index = entries.u64(p + 5);
            uint256 order = uint256(token) << 72 | debtorIsLeft << 64 | index;
            if (debtorIsLeft > 1 || (p != 0 && order <= last)) revert MalformedUpdate();
            last = order;
            if (debtorIsLeft == 1) _forgiveDebt(left, token, right, index);
            else _forgiveDebt(right, token, left, index);
        }
    }

    function _applyDiffs(bytes32 left, bytes32 right, bytes32 key, uint256 header, bytes calldata diffs) private {
        uint256 head = header >> 192 << 32;
        if (diffs.length == 0) emit Settled(left, right, head, 0, 0);
        uint32 last;
        unchecked {
            for (uint256 p; p < diffs.length; p += Updates.DIFF_ENTRY) {
                uint32 token = diffs.u32(p);
                if (p != 0 && token <= last) revert MalformedUpdate();
                last = token;
                _applyDiff(left, right, _bucketSlot(key, token), head | WITH_TOKEN | token, diffs[p:]);
            }
        }
    }

    function _applyDiff(bytes32 left, bytes32 right, bytes32 slot, uint256 head, bytes calldata diff) private {
        // Safe: the head's lowest word is the token.
        (uint256 flags, uint256 reserves) = _applyReserveDiffs(left, right, uint32(head), diff.i128(4), diff.i128(20));
        (uint256 collateral, int256 ondelta) = _unpack(_load(slot));
        unchecked {
            // All terms are below 2^128.
            int256 rest = int256(collateral) - diff.i128(4) - diff.i128(20);
            if (rest < 0) revert InsufficientCollateral();
            collateral = _saveBucket(slot, uint256(rest), ondelta + diff.i128(36));
        }
        emit Settled(left, right, head | flags, collateral, reserves);
    }

    /// Flags and reserves as the event has them.
    function _applyReserveDiffs(bytes32 left, bytes32 right, uint32 token, int256 leftDiff, int256 rightDiff)
        private
        returns (uint256 flags, uint256 reserves)
    {
        if (leftDiff != 0) {
            reserves = _applyReserveDiff(left, token, leftDiff) << 128;
            flags = LEFT_CHANGED;
        }
        if (rightDiff != 0) {
            uint256 reserve = _applyReserveDiff(right, token, rightDiff);
            // Older debts of right may have been paid to left.
            if (leftDiff != 0 && rightDiff < 0) {
                reserves = _shown(_load(_reserveSlot(left, token)) & ~DEBT_MARK) << 128;
            }
            reserves |= reserve;
            flags |= RIGHT_CHANGED;
        }
    }

    function _applyReserveDiff(bytes32 entity, uint32 token, int256 diff) private returns (uint256) {
        unchecked {
            return _shown(diff < 0 ? _take(entity, token, uint256(-diff)) : _add(entity, token, uint256(diff)));
        }
    }

    // The end of an epoch, by agreement or by dispute.

    /// Number of tokens of a body that has at least room for them and for the number of clauses.
    function _tokensOf(bytes calldata body) internal pure returns (uint256 n) {
        n = body.length == 0 ? type(uint256).max : body.u8(0);
        if (n > Updates.MAX_TOKENS || body.length < 2 + n * BodyCodec.TOKEN_ENTRY) revert MalformedBody();
    }

    /// Collateral and delta of every token that the body lists, strictly ascending.
    function _loadTokens(bytes32 key, bytes calldata body, uint256 n)
        internal
        view
        returns (uint256[] memory collaterals_, int256[] memory deltas)
    {
        collaterals_ = new uint256[](n);
        deltas = new int256[](n);
        uint256 last;
        unchecked {
            for (uint256 i; i < n; ++i) {
                uint256 p = 1 + i * BodyCodec.TOKEN_ENTRY;
                uint32 token = body.u32(p);
                if (i != 0 && token <= last) revert MalformedBody();
                last = token;
                int256 offdelta = body.i128(p + 4);
                if (offdelta == type(int128).min) revert MalformedBody();
                (uint256 collateral, int256 ondelta) = _unpack(_load(_bucketSlot(key, token)));
                collaterals_[i] = collateral;
                // Both below 2^127.
                deltas[i] = ondelta + offdelta;
            }
        }
    }

    /// Splits every token, raises the epoch and ends a dispute.
    function _endEpoch(
        Subject memory subject,
        bytes calldata body,
        uint256[] memory collaterals_,
        int256[] memory deltas
    ) internal {
        // Checked: epochs do not wrap.
        uint256 head = (subject.header & ~DISPUTE) + EPOCH;
        _save(_headerSlot(subject.key), head);
        head = head >> 192 << 32;
        if (deltas.length == 0) emit ChannelClosed(subject.left, subject.right, head, 0);
        uint256 budget = MAX_DEBTS_PER_CALL;
        for (uint256 i; i < deltas.length; ++i) {
            unchecked {
                uint32 token = body.u32(1 + i * BodyCodec.TOKEN_ENTRY);
                bytes32 slot = _bucketSlot(subject.key, token);
                if (_load(slot) != 0) _save(slot, 0);
                budget = _split(subject.left, subject.right, head | WITH_TOKEN | token, collaterals_[i], deltas[i], budget);
            }
        }
    }

    /// Pays out one token. |delta| is below 2^128, so is what either side owes. Returns what is left of the budget of
    /// older debts to look at.
    function _split(bytes32 left, bytes32 right, uint256 head, uint256 collateral, int256 delta, uint256 budget)
        private
        returns (uint256)
    {
        uint256 reserves;
        unchecked {
            // Safe: the head's lowest word is the token.
            if (delta < 0) {
                uint256 flags;
                (flags, reserves, budget) =
                    _payoutWithShortfall(right, left, uint32(head), collateral, uint256(-delta), budget);
                // Debtor in the upper half, creditor in the lower: as it stands.
                if (flags & 1 != 0) head |= LEFT_CHANGED;
                if (flags & 2 != 0) head |= RIGHT_CHANGED;
            } else if (uint256(delta) > collateral) {
                uint256 flags;
                (flags, reserves, budget) =
                    _payoutWithShortfall(left, right, uint32(head), collateral, uint256(delta) - collateral, budget);
                reserves = reserves << 128 | reserves >> 128;
                if (flags & 1 != 0) head |= RIGHT_CHANGED;
                if (flags & 2 != 0) head |= LEFT_CHANGED;
            } else {
                if (delta != 0) {
                    reserves = _shown(_payout(left, uint32(head), uint256(delta))) << 128;
                    head |= LEFT_CHANGED;
                }
                if (uint256(delta) != collateral) {
                    reserves |= _shown(_payout(right, uint32(head), collateral - uint256(delta)));
                    head |= RIGHT_CHANGED;
                }
            }
        }
        emit ChannelClosed(left, right, head, reserves);
        return budget;
    }

    /// The creditor takes all collateral, and `owed` from the debtor's reserve, after a bounded number of the debtor's
    /// older debts. If older ones remain the whole of it is queued behind them; else what the reserve lacks. Returns whose
    /// reserve changed (1 debtor, 2 creditor), `debtor << 128 | creditor` of these, and the budget's rest.
    function _payoutWithShortfall(
        bytes32 creditor,
        bytes32 debtor,
        uint32 token,
        uint256 collateral,
        uint256 owed,
        uint256 budget
    ) private returns (uint256 changed, uint256 reserves, uint256) {
        uint256 paid;
        unchecked {
            (, uint256 seen) = _payDebts(debtor, token, budget);
            bytes32 slot = _reserveSlot(debtor, token);
            uint256 word = _load(slot);
            if (word & DEBT_MARK == 0 && word != 0) {
                paid = word < owed ? word : owed;
                _save(slot, word - paid);
                (changed, reserves) = (1, _shown(word - paid) << 128);
            }
            if (paid != owed) _queueDebt(debtor, token, creditor, owed - paid);
            if (collateral + paid != 0) {
                changed |= 2;
                reserves |= _shown(_payout(creditor, token, collateral + paid));
            }
            return (changed, reserves, budget - seen);
        }
    }
}
