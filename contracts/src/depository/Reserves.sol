// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Signatures} from "./Signatures.sol";

/// Free balances, and the queues of debts that bind them. docs/protocol.md sections 1 and 7, rule 20.
abstract contract Reserves is Signatures {
    /// Debt entries looked at by one finalize or close, or by one outflow.
    uint256 internal constant MAX_DEBTS_PER_CALL = 8;
    uint256 internal constant LIMIT = 1 << 127;

    /// Beside a reserve, in its slot: the entity has open debts of this token.
    uint256 internal constant DEBT_MARK = 1 << 255;
    /// Second word of the hashed slot key; above every slot number and 32-bit token, so no two kinds of slot meet.
    uint256 private constant RESERVE_SPACE = 1 << 64;

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

    mapping(bytes32 entity => mapping(uint32 token => DebtQueue)) internal _debtQueues;
    mapping(bytes32 entity => mapping(uint32 token => mapping(uint256 index => Debt))) internal _debts;

    function _reserveSlot(bytes32 entity, uint32 token) internal pure returns (bytes32 slot) {
        // Assembly: one hash where a nested mapping takes two.
        assembly ("memory-safe") {
            mstore(0, entity)
            mstore(0x20, or(RESERVE_SPACE, token))
            slot := keccak256(0, 0x40)
        }
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

    /// Adds to a reserve; refused at 2^127, which no deposit and no transfer may reach.
    function _credit(bytes32 entity, uint32 token, uint256 amount) internal {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        unchecked {
            // Both summands are below 2^255.
            uint256 reserve = (word & ~DEBT_MARK) + amount;
            if (amount >= LIMIT || reserve >= LIMIT) revert AmountOutOfRange();
            _save(slot, word + amount);
            emit ReserveUpdated(entity, token, reserve);
        }
    }

    /// Adds to a reserve what a close or a debt pays out. Never refused, so nobody's full reserve blocks a close: a
    /// reserve has 255 bits of room, and 2^127 payouts of 2^128 would be needed to fill it.
    function _payout(bytes32 entity, uint32 token, uint256 amount) internal {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        unchecked {
            _save(slot, word + amount);
            emit ReserveUpdated(entity, token, (word & ~DEBT_MARK) + amount);
        }
    }

    /// Every outflow: older debts of the owner first, refused while any remain.
    function _debit(bytes32 entity, uint32 token, uint256 amount) internal {
        bytes32 slot = _reserveSlot(entity, token);
        uint256 word = _load(slot);
        if (word & DEBT_MARK != 0) {
            _payDebts(entity, token, MAX_DEBTS_PER_CALL);
            word = _load(slot);
            if (word & DEBT_MARK != 0) revert DebtsOutstanding(entity, token);
        }
        if (amount > word) revert InsufficientReserve();
        unchecked {
            _save(slot, word - amount);
            emit ReserveUpdated(entity, token, word - amount);
        }
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
                _payout(creditor, token, part);
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
        if (paid != 0) emit ReserveUpdated(entity, token, reserve);
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

    function reserveToReserve(bytes32 to, uint32 token, uint128 amount) external {
        _checkEntity(to);
        if (amount == 0) revert ZeroAmount();
        _debit(_caller(), token, amount);
        _credit(to, token, amount);
    }

    function enforceDebts(bytes32 entity, uint32 token, uint256 maxEntries)
        external
        returns (uint256 paid, uint256 remainingEntries)
    {
        (paid,) = _payDebts(entity, token, maxEntries);
        remainingEntries = _debtQueues[entity][token].open;
    }

    function reserveOf(bytes32 entity, uint32 token) external view returns (uint128) {
        uint256 reserve = _load(_reserveSlot(entity, token)) & ~DEBT_MARK;
        return reserve > type(uint128).max ? type(uint128).max : uint128(reserve);
    }

    function debtTotal(bytes32 entity, uint32 token) external view returns (uint256) {
        return _debtQueues[entity][token].total;
    }

    function debtsOf(bytes32 entity, uint32 token, uint64 from, uint64 max)
        external
        view
        returns (DebtEntry[] memory entries, uint64 head, uint64 tail)
    {
        DebtQueue memory queue = _debtQueues[entity][token];
        (head, tail) = (queue.head, queue.tail);
        if (from < head) from = head;
        uint256 room = from < tail ? tail - from : 0;
        if (room > queue.open) room = queue.open;
        if (room > max) room = max;
        entries = new DebtEntry[](room);
        uint256 n;
        for (uint64 i = from; i < tail && n < room; ++i) {
            Debt memory debt = _debts[entity][token][i];
            if (debt.amount != 0) entries[n++] = DebtEntry(i, debt.creditor, debt.amount);
        }
        // Entries forgiven behind `from` were counted in the room: shorten.
        assembly ("memory-safe") {
            mstore(entries, n)
        }
    }
}
