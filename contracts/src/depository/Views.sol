// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delegated} from "./Delegated.sol";

/// What can be asked, apart from tokens.
abstract contract Views is Delegated {
    function entityProvider() external view returns (address) {
        return _entityProvider;
    }

    function disputeWindow() external view returns (uint40) {
        return _disputeWindow;
    }

    function extension() external view returns (address) {
        return _self;
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
        uint64 end = from < tail ? (max < tail - from ? from + max : tail) : from;
        entries = new DebtEntry[](end - from < queue.open ? end - from : queue.open);
        uint256 n;
        for (uint64 i = from; i < end; ++i) {
            Debt memory debt = _debts[entity][token][i];
            if (debt.amount != 0) entries[n++] = DebtEntry(i, debt.creditor, debt.amount);
        }
        // Room for those that were forgiven: shorten.
        assembly ("memory-safe") {
            mstore(entries, n)
        }
    }

    function channel(bytes32 left, bytes32 right)
        external
        view
        returns (uint32 epoch, uint32 settlementNonce, bytes24 disputeHash)
    {
        uint256 header = _load(_headerSlot(_key(left, right)));
        // Safe: the lowest 24 bytes.
        return (_epochOf(header), _settlementNonceOf(header), bytes24(uint192(header)));
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
