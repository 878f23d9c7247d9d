// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IToken} from "./IToken.sol";
import {Reserves} from "./Reserves.sol";

/// External tokens and ETH <-> reserves. docs/protocol.md rule 21. The only functions that call out with the power to
/// call back; the lock is transient.
abstract contract Tokens is Reserves {
    /// Plain ETH is a deposit of its sender.
    receive() external payable {
        if (msg.value == 0) revert ZeroAmount();
        _credit(_caller(), 0, msg.value);
    }

    function depositEth(bytes32 entity) external payable {
        _checkEntity(entity);
        if (msg.value == 0) revert ZeroAmount();
        _credit(entity, 0, msg.value);
    }

    /// Whose tokens a deposit takes: an organisation has none outside.
    function _payer() private view returns (address) {
        bytes32 caller = _caller();
        if (uint256(caller) >> 160 != 0) revert Unauthorized(caller);
        return address(uint160(uint256(caller)));
    }

    function deposit(bytes32 entity, uint32 token, uint256 amount) external {
        _checkEntity(entity);
        if (amount == 0) revert ZeroAmount();
        TokenInfo storage info = _tokens[token];
        (TokenKind kind, address where) = (info.kind, info.token);
        if (where == address(0)) revert UnknownToken();
        if (_lock != 0) revert Reentered();
        _lock = uint256(uint160(where));
        address payer = _payer();
        uint256 received;
        if (kind == TokenKind.Erc20) {
            uint256 before = _balance20(where);
            _transferFrom20(where, payer, amount);
            // Checked: a balance that fell reverts.
            received = _balance20(where) - before;
        } else if (kind == TokenKind.Erc721) {
            uint256 id = info.id;
            if (amount != 1) revert AmountOutOfRange();
            if (IToken(where).ownerOf(id) == address(this)) revert TransferFailed();
            _callToken(where, abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", payer, address(this), id));
            if (IToken(where).ownerOf(id) != address(this)) revert TransferFailed();
            received = 1;
        } else {
            uint256 id = info.id;
            uint256 before = IToken(where).balanceOf(address(this), id);
            _callToken(where, _transfer1155(payer, address(this), id, amount));
            received = IToken(where).balanceOf(address(this), id) - before;
        }
        if (received == 0) revert TransferFailed();
        _lock = 0;
        _credit(entity, token, received);
    }

    function withdraw(uint32 token, uint256 amount, address to) external {
        if (amount == 0) revert ZeroAmount();
        if (_flashed(token) != 0) revert FlashOpen(token);
        if (to == address(0) || to == address(this)) revert InvalidEntity();
        if (_lock != 0) revert Reentered();
        _lock = WITHDRAWING;
        _debit(_caller(), token, amount);
        if (token == 0) {
            bool ok;
            // Assembly: whatever the receiver returns is not copied.
            assembly ("memory-safe") {
                ok := call(gas(), to, amount, 0, 0, 0, 0)
            }
            if (!ok) revert TransferFailed();
        } else {
            _sendToken(token, amount, to);
        }
        _lock = 0;
    }

    function _sendToken(uint32 token, uint256 amount, address to) private {
        TokenInfo storage info = _tokens[token];
        (TokenKind kind, address where) = (info.kind, info.token);
        if (kind == TokenKind.Erc721) {
            _callToken(where, abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", address(this), to, info.id));
        } else {
            // Nobody else's tokens may leave with these.
            uint256 left;
            if (kind == TokenKind.Erc20) {
                left = _balance20(where);
                _callToken(where, abi.encodeCall(IToken.transfer, (to, amount)));
                left -= _balance20(where);
            } else {
                uint256 id = info.id;
                left = IToken(where).balanceOf(address(this), id);
                _callToken(where, _transfer1155(address(this), to, id, amount));
                left -= IToken(where).balanceOf(address(this), id);
            }
            if (left > amount) revert TransferFailed();
        }
    }

    function _transfer1155(address from, address to, uint256 id, uint256 amount) private pure returns (bytes memory) {
        return abi.encodeWithSignature("safeTransferFrom(address,address,uint256,uint256,bytes)", from, to, id, amount, "");
    }

    /// `IToken(token).balanceOf(address(this))`, in scratch memory: a deposit asks twice.
    function _balance20(address token) private view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0x70a08231)
            mstore(0x20, address())
            ok := staticcall(gas(), token, 0x1c, 0x24, 0, 0x20)
            ok := and(ok, gt(returndatasize(), 31))
            amount := mload(0)
        }
        if (!ok) revert TransferFailed();
    }

    /// `IToken(token).transferFrom(from, address(this), amount)`; success as in `_callToken`.
    function _transferFrom20(address token, address from, uint256 amount) private {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0x23b872dd)
            mstore(add(p, 0x20), from)
            mstore(add(p, 0x40), address())
            mstore(add(p, 0x60), amount)
            mstore(0, 0)
            ok := call(gas(), token, 0, add(p, 0x1c), 0x64, 0, 0x20)
            ok := and(ok, or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0), 1))))
        }
        if (!ok) revert TransferFailed();
    }

    /// Success: no revert, and nothing or true returned. The calls around this one prove that code is there.
    function _callToken(address token, bytes memory data) private {
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(gas(), token, 0, add(data, 0x20), mload(data), 0, 0x20)
            ok := and(ok, or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0), 1))))
        }
        if (!ok) revert TransferFailed();
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
}
