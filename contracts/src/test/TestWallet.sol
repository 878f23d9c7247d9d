// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// A contract account: its owner's calls pass through, and ERC-1271 says yes to digests that the owner allowed.
contract TestWallet {
    address public immutable owner;
    mapping(bytes32 => bool) public allowed;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    function allow(bytes32 digest, bool yes) external {
        require(msg.sender == owner, "owner");
        allowed[digest] = yes;
    }

    function execute(address to, uint256 value, bytes calldata data) external returns (bytes memory) {
        require(msg.sender == owner, "owner");
        (bool ok, bytes memory answer) = to.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return allowed[digest] ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
