// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {Hashing} from "../lib/Hashing.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Eip712} from "./Eip712.sol";
import {Tokens} from "./Tokens.sol";

/// Collateral: funding, co-signed settlements, and the split that ends an epoch. docs/protocol.md sections 4 and 7.
abstract contract Channels is Tokens, Eip712 {
    using BodyCodec for bytes;

    /// Tokens of one subchannel.
    uint256 internal constant MAX_TOKENS = 32;
    /// Debts that one settlement forgives.
    uint256 internal constant MAX_FORGIVEN = 8;

    uint256 private constant BUCKET_SPACE = 2 << 64;
    uint256 private constant DIFF_ENTRY = 52;
    uint256 private constant FORGIVEN_ENTRY = 13;

    /// The first slot is written when a channel settles or closes, and not by a dispute's start.
    struct Channel {
        uint32 epoch;
        uint32 settlementNonce;
        bytes32 disputeHash;
    }

    mapping(bytes32 channelKey => Channel) internal _channels;

    function _key(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        if (left >= right) revert InvalidChannel();
        return Hashing.words(left, right);
    }

    /// Slot of `ondelta << 128 | collateral`.
    function _bucketSlot(bytes32 key, uint32 token) internal pure returns (bytes32 slot) {
        // Assembly: one hash where a nested mapping takes two.
        assembly ("memory-safe") {
            mstore(0, key)
            mstore(0x20, or(BUCKET_SPACE, token))
            slot := keccak256(0, 0x40)
        }
    }

    function _unpack(uint256 word) internal pure returns (uint256 collateral, int256 ondelta) {
        return (uint128(word), int256(word) >> 128);
    }

    function _saveBucket(bytes32 left, bytes32 right, uint32 token, bytes32 slot, uint256 collateral, int256 ondelta) internal {
        unchecked {
            // The sum moves [-LIMIT, LIMIT) to [0, 2 LIMIT); -LIMIT itself is refused by the strict bound.
            if (collateral >= LIMIT || uint256(ondelta + int256(LIMIT) - 1) >= 2 * LIMIT - 1) revert AmountOutOfRange();
        }
        _save(slot, uint256(ondelta) << 128 | collateral);
        // Safe: just bounded.
        emit CollateralUpdated(left, right, token, uint128(collateral), int128(ondelta));
    }

    function reserveToCollateral(uint32 token, Funding[] calldata fundings) external {
        uint256 total;
        unchecked {
            // Amounts are below 2^128: no sum of fewer than 2^128 of them overflows.
            for (uint256 i; i < fundings.length; ++i) {
                Funding calldata funding = fundings[i];
                uint256 amount = funding.amount;
                if (amount == 0) revert ZeroAmount();
                total += amount;
                _fund(funding.receiver, funding.peer, token, amount);
            }
        }
        if (total == 0) revert ZeroAmount();
        _debit(_caller(), token, total);
    }

    function _fund(bytes32 receiver, bytes32 peer, uint32 token, uint256 amount) private {
        _checkEntity(receiver);
        _checkEntity(peer);
        (bytes32 left, bytes32 right) = receiver < peer ? (receiver, peer) : (peer, receiver);
        bytes32 slot = _bucketSlot(_key(left, right), token);
        (uint256 collateral, int256 ondelta) = _unpack(_load(slot));
        unchecked {
            if (receiver == left) ondelta += int256(amount);
            _saveBucket(left, right, token, slot, collateral + amount, ondelta);
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
        if (_channels[key].disputeHash != 0) revert DisputeRunning();
        bytes32 digest = _consentDigest(false, key, expiry, update);
        _requireConsent(left, right, digest, leftSignature, rightSignature, IEntityProvider.Permission.Withdraw);
        _applyUpdate(left, right, key, update);
    }

    function _consentDigest(bool close, bytes32 key, uint64 expiry, bytes calldata data) private view returns (bytes32) {
        if (block.timestamp > expiry) revert Expired();
        Channel storage ch = _channels[key];
        return _settlementDigest(close, key, ch.epoch, ch.settlementNonce, expiry, data);
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
        bytes32 digest = _consentDigest(true, key, expiry, body);
        _requireConsent(left, right, digest, leftSignature, rightSignature, IEntityProvider.Permission.Dispute);
        uint256 n = _tokensOf(body);
        // No clauses, and nothing behind them.
        if (body.length != 2 + n * BodyCodec.TOKEN_ENTRY || body.u8(body.length - 1) != 0) revert MalformedBody();
        (uint256[] memory collaterals_, int256[] memory deltas) = _loadTokens(key, body, n);
        _endEpoch(left, right, key, body, collaterals_, deltas);
    }

    function _requireConsent(
        bytes32 left,
        bytes32 right,
        bytes32 digest,
        bytes calldata leftSignature,
        bytes calldata rightSignature,
        IEntityProvider.Permission permission
    ) private view {
        if (!_isCaller(left, leftSignature)) _requireSignature(left, digest, leftSignature, permission);
        if (!_isCaller(right, rightSignature)) _requireSignature(right, digest, rightSignature, permission);
    }

    /// Forgiveness first, then the diffs: a forgiven debt no longer binds what the diffs take out.
    function _applyUpdate(bytes32 left, bytes32 right, bytes32 key, bytes calldata update) private {
        uint256 n = update.length == 0 ? type(uint256).max : update.u8(0);
        if (n > MAX_TOKENS) revert MalformedUpdate();
        uint256 pos = 1 + n * DIFF_ENTRY;
        uint256 forgiven = update.length > pos ? update.u8(pos) : type(uint256).max;
        if (forgiven > MAX_FORGIVEN || update.length != pos + 1 + forgiven * FORGIVEN_ENTRY) revert MalformedUpdate();

        _applyForgiveness(left, right, update[pos + 1:]);
        _applyDiffs(left, right, key, update[1:pos]);
        Channel storage ch = _channels[key];
        uint32 settlementNonce = ++ch.settlementNonce;
        emit Settled(left, right, ch.epoch, settlementNonce);
    }

    function _applyForgiveness(bytes32 left, bytes32 right, bytes calldata entries) private {
        uint256 last;
        for (uint256 p; p < entries.length; p += FORGIVEN_ENTRY) {
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

    function _applyDiffs(bytes32 left, bytes32 right, bytes32 key, bytes calldata diffs) private {
        uint32 last;
        unchecked {
            for (uint256 p; p < diffs.length; p += DIFF_ENTRY) {
                uint32 token = diffs.u32(p);
                if (p != 0 && token <= last) revert MalformedUpdate();
                last = token;
                _applyDiff(left, right, token, _bucketSlot(key, token), diffs[p:]);
            }
        }
    }

    function _applyDiff(bytes32 left, bytes32 right, uint32 token, bytes32 slot, bytes calldata diff) private {
        int256 leftDiff = diff.i128(4);
        int256 rightDiff = diff.i128(20);
        _applyReserveDiff(left, token, leftDiff);
        _applyReserveDiff(right, token, rightDiff);
        (uint256 collateral, int256 ondelta) = _unpack(_load(slot));
        unchecked {
            // All terms are below 2^128.
            int256 rest = int256(collateral) - leftDiff - rightDiff;
            if (rest < 0) revert InsufficientCollateral();
            _saveBucket(left, right, token, slot, uint256(rest), ondelta + diff.i128(36));
        }
    }

    function _applyReserveDiff(bytes32 entity, uint32 token, int256 diff) private {
        unchecked {
            if (diff < 0) _debit(entity, token, uint256(-diff));
            else if (diff > 0) _credit(entity, token, uint256(diff));
        }
    }

    // The end of an epoch, by agreement or by dispute.

    /// Number of tokens of a body that has at least room for them and for the number of clauses.
    function _tokensOf(bytes calldata body) internal pure returns (uint256 n) {
        n = body.length == 0 ? type(uint256).max : body.u8(0);
        if (n > MAX_TOKENS || body.length < 2 + n * BodyCodec.TOKEN_ENTRY) revert MalformedBody();
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
        bytes32 left,
        bytes32 right,
        bytes32 key,
        bytes calldata body,
        uint256[] memory collaterals_,
        int256[] memory deltas
    ) internal {
        Channel storage ch = _channels[key];
        uint32 epoch = ++ch.epoch;
        if (ch.disputeHash != 0) ch.disputeHash = 0;
        uint256 budget = MAX_DEBTS_PER_CALL;
        for (uint256 i; i < deltas.length; ++i) {
            uint32 token = body.u32(1 + i * BodyCodec.TOKEN_ENTRY);
            bytes32 slot = _bucketSlot(key, token);
            if (_load(slot) != 0) {
                _save(slot, 0);
                emit CollateralUpdated(left, right, token, 0, 0);
            }
            budget -= _split(left, right, token, collaterals_[i], deltas[i], budget);
        }
        emit ChannelClosed(left, right, epoch, ch.settlementNonce);
    }

    /// Pays out one token. |delta| is below 2^128, so is what either side owes. Returns how many of the budget of older
    /// debts were looked at.
    function _split(bytes32 left, bytes32 right, uint32 token, uint256 collateral, int256 delta, uint256 budget)
        private
        returns (uint256 seen)
    {
        unchecked {
            if (delta < 0) return _payoutWithShortfall(right, left, token, collateral, uint256(-delta), budget);
            if (uint256(delta) > collateral) {
                return _payoutWithShortfall(left, right, token, collateral, uint256(delta) - collateral, budget);
            }
            if (delta != 0) _payout(left, token, uint256(delta));
            if (uint256(delta) != collateral) _payout(right, token, collateral - uint256(delta));
        }
    }

    /// The creditor takes all collateral, and `owed` from the debtor's reserve, after a bounded number of the debtor's
    /// older debts. If older ones remain the whole of it is queued behind them; else what the reserve lacks.
    function _payoutWithShortfall(
        bytes32 creditor,
        bytes32 debtor,
        uint32 token,
        uint256 collateral,
        uint256 owed,
        uint256 budget
    ) private returns (uint256 seen) {
        (, seen) = _payDebts(debtor, token, budget);
        bytes32 slot = _reserveSlot(debtor, token);
        uint256 word = _load(slot);
        uint256 paid;
        unchecked {
            if (word & DEBT_MARK == 0 && word != 0) {
                paid = word < owed ? word : owed;
                _save(slot, word - paid);
                emit ReserveUpdated(debtor, token, word - paid);
            }
            if (paid != owed) _queueDebt(debtor, token, creditor, owed - paid);
            if (collateral + paid != 0) _payout(creditor, token, collateral + paid);
        }
    }

    // Views.

    function channel(bytes32 left, bytes32 right)
        external
        view
        returns (uint32 epoch, uint32 settlementNonce, bytes32 disputeHash)
    {
        Channel storage ch = _channels[_key(left, right)];
        return (ch.epoch, ch.settlementNonce, ch.disputeHash);
    }

    function collaterals(bytes32 left, bytes32 right, uint32[] calldata list)
        external
        view
        returns (uint128[] memory collateral, int128[] memory ondelta)
    {
        bytes32 key = _key(left, right);
        collateral = new uint128[](list.length);
        ondelta = new int128[](list.length);
        for (uint256 i; i < list.length; ++i) {
            (uint256 c, int256 d) = _unpack(_load(_bucketSlot(key, list[i])));
            (collateral[i], ondelta[i]) = (uint128(c), int128(d));
        }
    }
}
