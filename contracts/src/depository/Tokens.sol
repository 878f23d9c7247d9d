// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Reserves} from "./Reserves.sol";

/// The parts of the token standards that are used.
interface IToken {
    function balanceOf(address owner, uint256 id) external view returns (uint256);
    function ownerOf(uint256 id) external view returns (address);
    function transfer(address to, uint256 amount) external;
    function safeTransferFrom(address from, address to, uint256 id) external;
    function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes calldata data) external;
    function supportsInterface(bytes4 id) external view returns (bool);
}

/// External tokens and ETH <-> reserves. docs/protocol.md rule 21. The only functions that call out with the power to
/// call back; the lock is transient.
abstract contract Tokens is Reserves {
    mapping(uint32 token => TokenInfo) private _tokens;
    mapping(bytes32 kindAddressId => uint32) private _tokenIds;
    uint32 public tokenCount = 1;

    /// 0: free; WITHDRAWING: closed; else the token that may hand over NFTs right now.
    address private transient _lock;
    address private constant WITHDRAWING = address(1);

    function registerToken(TokenKind kind, address token, uint256 id) external returns (uint32 index) {
        bytes32 key = keccak256(abi.encode(kind, token, id));
        index = _tokenIds[key];
        if (index != 0) return index;
        // One contract cannot be two kinds: else an NFT could leave as another kind's amount.
        bool nft = _supports(token, 0x80ac58cd);
        bool multi = _supports(token, 0xd9b67a26);
        TokenKind actual = nft ? TokenKind.Erc721 : multi ? TokenKind.Erc1155 : TokenKind.Erc20;
        if (kind != actual || (nft && multi) || token.code.length == 0 || (kind == TokenKind.Erc20 && id != 0)) {
            revert WrongTokenKind();
        }
        index = tokenCount++;
        _tokens[index] = TokenInfo(kind, token, id);
        _tokenIds[key] = index;
        emit TokenRegistered(index, kind, token, id);
    }

    /// ERC-165, bounded. Who starves it of gas has none left for what a registration writes.
    function _supports(address token, bytes4 id) private view returns (bool yes) {
        bytes memory data = abi.encodeCall(IToken.supportsInterface, (id));
        assembly ("memory-safe") {
            mstore(0, 0)
            let ok := staticcall(30000, token, add(data, 0x20), mload(data), 0, 0x20)
            yes := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), 1))
        }
    }

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

    function deposit(bytes32 entity, uint32 token, uint256 amount) external {
        _checkEntity(entity);
        if (amount == 0) revert ZeroAmount();
        TokenInfo storage info = _tokens[token];
        (TokenKind kind, address where) = (info.kind, info.token);
        if (where == address(0)) revert UnknownToken();
        if (_lock != address(0)) revert Reentered();
        _lock = where;
        uint256 received;
        if (kind == TokenKind.Erc20) {
            uint256 before = _balance20(where);
            _transferFrom20(where, amount);
            // Checked: a balance that fell reverts.
            received = _balance20(where) - before;
        } else if (kind == TokenKind.Erc721) {
            uint256 id = info.id;
            if (amount != 1) revert AmountOutOfRange();
            if (IToken(where).ownerOf(id) == address(this)) revert TransferFailed();
            _callToken(where, abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", msg.sender, address(this), id));
            if (IToken(where).ownerOf(id) != address(this)) revert TransferFailed();
            received = 1;
        } else {
            uint256 id = info.id;
            uint256 before = IToken(where).balanceOf(address(this), id);
            _callToken(where, _transfer1155(msg.sender, address(this), id, amount));
            received = IToken(where).balanceOf(address(this), id) - before;
        }
        if (received == 0) revert TransferFailed();
        _lock = address(0);
        _credit(entity, token, received);
    }

    function withdraw(uint32 token, uint256 amount, address to) external {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0) || to == address(this)) revert InvalidEntity();
        if (_lock != address(0)) revert Reentered();
        _lock = WITHDRAWING;
        _debit(_caller(), token, amount);
        TokenInfo storage info = _tokens[token];
        (TokenKind kind, address where) = (info.kind, info.token);
        if (kind == TokenKind.Eth) {
            bool ok;
            // Assembly: whatever the receiver returns is not copied.
            assembly ("memory-safe") {
                ok := call(gas(), to, amount, 0, 0, 0, 0)
            }
            if (!ok) revert TransferFailed();
        } else if (kind == TokenKind.Erc721) {
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
        _lock = address(0);
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

    /// `IToken(token).transferFrom(msg.sender, address(this), amount)`; success as in `_callToken`.
    function _transferFrom20(address token, uint256 amount) private {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0x23b872dd)
            mstore(add(p, 0x20), caller())
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

    // Receiver hooks: only what this contract itself is fetching.

    function onERC721Received(address operator, address, uint256, bytes calldata) external view returns (bytes4) {
        return _expected(operator, this.onERC721Received.selector);
    }

    function onERC1155Received(address operator, address, uint256, uint256, bytes calldata) external view returns (bytes4) {
        return _expected(operator, this.onERC1155Received.selector);
    }

    function _expected(address operator, bytes4 selector) private view returns (bytes4) {
        if (operator != address(this) || msg.sender != _lock) revert UnexpectedTransfer();
        return selector;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x150b7a02 || id == 0x4e2312e0;
    }

    function tokenInfo(uint32 token) public view returns (TokenInfo memory) {
        if (token >= tokenCount) revert UnknownToken();
        return _tokens[token];
    }

    function tokens(uint32 from, uint32 max) external view returns (TokenInfo[] memory list) {
        uint256 count = tokenCount;
        uint256 n = from < count ? count - from : 0;
        if (n > max) n = max;
        list = new TokenInfo[](n);
        for (uint256 i; i < n; ++i) {
            list[i] = _tokens[uint32(from + i)];
        }
    }

    function tokenId(TokenKind kind, address token, uint256 id) external view returns (uint32) {
        return _tokenIds[keccak256(abi.encode(kind, token, id))];
    }
}
