// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// The parts of the token standards that are used.
interface IToken {
    function balanceOf(address owner, uint256 id) external view returns (uint256);
    function ownerOf(uint256 id) external view returns (address);
    function transfer(address to, uint256 amount) external;
    function safeTransferFrom(address from, address to, uint256 id) external;
    function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes calldata data) external;
    function supportsInterface(bytes4 id) external view returns (bool);
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
}
