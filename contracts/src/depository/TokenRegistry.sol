// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IToken} from "./IToken.sol";
import {Delegated} from "./Delegated.sol";

/// The list of tokens, and the hooks by which NFTs arrive.
abstract contract TokenRegistry is Delegated {
    function registerToken(TokenKind kind, address token, uint256 id) external delegated returns (uint32 index) {
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
        index = _tokenCount++;
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

    // Receiver hooks: only what this contract itself is fetching.

    function onERC721Received(address operator, address, uint256, bytes calldata) external view returns (bytes4) {
        return _expected(operator, this.onERC721Received.selector);
    }

    function onERC1155Received(address operator, address, uint256, uint256, bytes calldata) external view returns (bytes4) {
        return _expected(operator, this.onERC1155Received.selector);
    }

    function _expected(address operator, bytes4 selector) private view returns (bytes4) {
        if (operator != address(this) || uint256(uint160(msg.sender)) != _lock) revert UnexpectedTransfer();
        return selector;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x150b7a02 || id == 0x4e2312e0;
    }

    function tokenCount() external view returns (uint32) {
        return _tokenCount;
    }

    function tokenInfo(uint32 token) external view returns (TokenInfo memory) {
        if (token >= _tokenCount) revert UnknownToken();
        return _tokens[token];
    }

    function tokens(uint32 from, uint32 max) external view returns (TokenInfo[] memory list) {
        uint256 count = _tokenCount;
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
