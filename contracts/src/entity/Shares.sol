// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Boards} from "./Boards.sol";

/// Registered organisations and who holds them: two kinds of shares, given whole at registration, with a checkpoint for
/// every block in which a balance moved.
abstract contract Shares is Boards {
    struct Checkpoint {
        uint48 blockNumber;
        uint128 amount;
    }

    uint64 public organisations;
    mapping(bytes32 organisation => Terms) private _terms;
    mapping(bytes32 organisation => mapping(Share share => uint128)) public supply;
    mapping(bytes32 organisation => mapping(Share share => mapping(bytes32 holder => Checkpoint[]))) private _ledger;
    /// `0x01 || u64 chainId || keccak256(this)[0..15]`; the last 8 bytes are the number.
    bytes32 private immutable PREFIX;

    constructor() {
        if (block.chainid > type(uint64).max) revert OutOfRange();
        uint256 contractHash = uint256(keccak256(abi.encodePacked(address(this)))) >> 136;
        PREFIX = bytes32(uint256(1) << 248 | block.chainid << 184 | contractHash << 64);
    }

    function register(bytes32 boardHash, Terms calldata terms, Holder[] calldata holders)
        external
        returns (uint64 number)
    {
        number = ++organisations;
        bytes32 entity = organisation(number);
        uint128 control;
        uint128 dividend;
        for (uint256 i; i < holders.length; ++i) {
            Holder calldata given = holders[i];
            _checkEntity(given.holder);
            control += given.control;
            dividend += given.dividend;
        }
        if (boardHash == 0 && control == 0) revert NobodyDecides();
        // Holders that could never decide anything, or with nobody's vote, are no holders.
        if (
            control != 0
                && (
                    terms.votingPeriod == 0 || terms.executionPeriod == 0 || terms.quorumPpm == 0
                        || terms.quorumPpm > 1_000_000 || terms.proposerPpm > 1_000_000
                )
        ) revert OutOfRange();
        _terms[entity] = terms;
        supply[entity][Share.Control] = control;
        supply[entity][Share.Dividend] = dividend;
        emit Registered(entity, number, terms, control, dividend);
        if (boardHash != 0) _setBoard(entity, boardHash);
        for (uint256 i; i < holders.length; ++i) {
            Holder calldata given = holders[i];
            _give(entity, Share.Control, given.holder, given.control);
            _give(entity, Share.Dividend, given.holder, given.dividend);
        }
    }

    function _give(bytes32 entity, Share share, bytes32 to, uint128 amount) private {
        if (amount == 0) return;
        uint128 balance = sharesOf(entity, share, to) + amount;
        _set(entity, share, to, balance);
        emit SharesMoved(entity, share, 0, to, amount, 0, balance);
    }

    function transferShares(bytes32 entity, Share share, bytes32 to, uint128 amount) external {
        bytes32 from = _actor();
        _checkEntity(to);
        if (amount == 0) revert ZeroAmount();
        uint128 had = sharesOf(entity, share, from);
        if (had < amount) revert NotEnoughShares();
        _set(entity, share, from, had - amount);
        // Read after that: it may be the same holder.
        uint128 balance = sharesOf(entity, share, to) + amount;
        _set(entity, share, to, balance);
        emit SharesMoved(entity, share, from, to, amount, sharesOf(entity, share, from), balance);
    }

    /// One checkpoint per block.
    function _set(bytes32 entity, Share share, bytes32 holder, uint128 amount) private {
        Checkpoint[] storage list = _ledger[entity][share][holder];
        uint256 n = list.length;
        // Safe: no chain has 2^48 blocks.
        uint48 number = uint48(block.number);
        if (n != 0 && list[n - 1].blockNumber == number) list[n - 1].amount = amount;
        else list.push(Checkpoint(number, amount));
    }

    function sharesOf(bytes32 entity, Share share, bytes32 holder) public view returns (uint128) {
        Checkpoint[] storage list = _ledger[entity][share][holder];
        uint256 n = list.length;
        return n == 0 ? 0 : list[n - 1].amount;
    }

    function sharesAt(bytes32 entity, Share share, bytes32 holder, uint48 blockNumber) public view returns (uint128) {
        if (blockNumber >= block.number) revert BlockNotOver();
        Checkpoint[] storage list = _ledger[entity][share][holder];
        // The number of checkpoints that are not later.
        uint256 low;
        uint256 high = list.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (list[middle].blockNumber <= blockNumber) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? 0 : list[low - 1].amount;
    }

    function organisation(uint64 number) public view returns (bytes32) {
        return PREFIX | bytes32(uint256(number));
    }

    function termsOf(bytes32 entity) public view returns (Terms memory) {
        return _terms[entity];
    }

    function _isRegistered(bytes32 entity) internal view override returns (bool) {
        // Safe: the low 8 bytes.
        uint64 number = uint64(uint256(entity));
        return number != 0 && number <= organisations && entity == organisation(number);
    }
}
