// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Signatures} from "./Signatures.sol";

/// Free balances, and the queues of debts that bind them. docs/protocol.md sections 1 and 7, rule 20.
abstract contract Reserves is Signatures {
    /// Debt entries looked at by one finalize or close, or by one outflow.
    uint256 internal constant MAX_DEBTS_PER_CALL = 8;

    /// `token << 128 | reserve`; a reserve above is shown as 2^128 - 1.
    function _emitReserve(bytes32 entity, uint32 token, uint256 reserve) internal {
        uint256 word = uint256(token) << 128 | _shown(reserve);
        bytes32 topic = ReserveUpdated.selector;
        // Assembly: one word, in scratch memory.
        assembly ("memory-safe") {
            mstore(0, word)
            log2(0, 0x20, topic, entity)
        }
    }

    function _shown(uint256 reserve) internal pure returns (uint256) {
        return reserve > type(uint128).max ? type(uint128).max : reserve;
    }

    function _credit(bytes32 entity, uint32 token, uint256 amount) internal {
        _emitReserve(entity, token, _add(entity, token, amount));
    }

    function _debit(bytes32 entity, uint32 token, uint256 amount) internal {
        _emitReserve(entity, token, _take(entity, token, amount));
    }

    function _payToReserve(bytes32 entity, uint32 token, uint256 amount) private {
        _emitReserve(entity, token, _payout(entity, token, amount));
    }

    // The following three return the new reserve, and leave it to the caller to tell.

    /// Adds to a reserve; refused at 2^127, which no deposit and no transfer may reach.
    function _add(bytes32 entity, uint32 token, uint256 amount) internal returns (uint256 reserve) {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        unchecked {
            // Both summands are below 2^255.
            reserve = (word & ~DEBT_MARK) + amount;
            if (amount >= LIMIT || reserve >= LIMIT) revert AmountOutOfRange();
            _save(slot, word + amount);
        }
    }

    /// Adds to a reserve what a close or a debt pays out. Never refused, so nobody's full reserve blocks a close: a
    /// reserve has 255 bits of room, and 2^127 payouts of 2^128 would be needed to fill it.
    function _payout(bytes32 entity, uint32 token, uint256 amount) internal returns (uint256 reserve) {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        unchecked {
            _save(slot, word + amount);
            reserve = (word & ~DEBT_MARK) + amount;
        }
    }

    /// Every outflow: older debts of the owner first, refused while any remain.
    function _take(bytes32 entity, uint32 token, uint256 amount) internal returns (uint256 reserve) {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        if (word & DEBT_MARK != 0) {
            _payDebts(entity, token, MAX_DEBTS_PER_CALL);
            word = _load(slot);
            if (word & DEBT_MARK != 0) revert DebtsOutstanding(entity, token);
        }
        if (amount > word) revert InsufficientReserve();
        unchecked {
            reserve = word - amount;
        }
        _save(slot, reserve);
    }

    /// Pays the queue from its head, at most `max` entries; stops where the reserve ends. Clears the mark with the
    /// last debt. Forgiven entries are passed over and count as looked at.
    function _payDebts(bytes32 entity, uint32 token, uint256 max) internal returns (uint256 paid, uint256 seen) {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        if (word & DEBT_MARK == 0) return (0, 0);
        uint256 reserve = word & ~DEBT_MARK;
        DebtQueue memory queue = _debtQueues[entity][token];
        for (; seen < max && queue.open != 0; ++seen) {
            Debt storage debt = _debts[entity][token][queue.head];
            uint256 amount = debt.amount;
            if (amount != 0) {
                uint256 part = amount < reserve ? amount : reserve;
                if (part == 0) break;
                bytes32 creditor = debt.creditor;
                uint64 index = queue.head;
                unchecked {
                    reserve -= part;
                    paid += part;
                    amount -= part;
                }
                queue.total -= uint160(part);
                _payToReserve(creditor, token, part);
                // Safe: at most the entry's own amount.
                emit DebtPaid(entity, token, creditor, index, uint128(part), uint128(amount));
                if (amount != 0) {
                    debt.amount = uint128(amount);
                    ++seen;
                    break;
                }
                delete _debts[entity][token][index];
                --queue.open;
            }
            ++queue.head;
        }
        if (queue.open == 0) queue.head = queue.tail;
        _debtQueues[entity][token] = queue;
        _save(slot, queue.open == 0 ? reserve : reserve | DEBT_MARK);
        if (paid != 0) _emitReserve(entity, token, reserve);
    }

    /// Appends an entry. `amount` is nonzero and below 2^128.
    function _queueDebt(bytes32 debtor, uint32 token, bytes32 creditor, uint256 amount) internal {
        DebtQueue memory queue = _debtQueues[debtor][token];
        uint64 index = queue.tail;
        _debts[debtor][token][index] = Debt(creditor, uint128(amount));
        ++queue.tail;
        ++queue.open;
        queue.total += uint160(amount);
        _debtQueues[debtor][token] = queue;
        bytes32 slot = _reserveSlot(debtor, token);
        _save(slot, _load(slot) | DEBT_MARK);
        emit DebtCreated(debtor, token, creditor, index, uint128(amount));
    }

    /// The creditor, by a settlement, lets an entry go. One that was paid meanwhile is no error: anyone may have
    /// enforced it before the settlement ran.
    function _forgiveDebt(bytes32 debtor, uint32 token, bytes32 creditor, uint64 index) internal {
        DebtQueue memory queue = _debtQueues[debtor][token];
        if (index >= queue.tail) revert MalformedUpdate();
        Debt memory debt = _debts[debtor][token][index];
        if (debt.amount == 0) return;
        if (debt.creditor != creditor) revert NotTheCreditor();
        delete _debts[debtor][token][index];
        queue.total -= debt.amount;
        --queue.open;
        if (queue.open == 0) {
            queue.head = queue.tail;
            bytes32 slot = _reserveSlot(debtor, token);
            _save(slot, _load(slot) & ~DEBT_MARK);
        }
        _debtQueues[debtor][token] = queue;
        emit DebtForgiven(debtor, token, creditor, index, debt.amount);
    }
}
