// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// A wallet of several owners, `threshold` of whom act: calls by `execute`, ERC-1271 for what it signs. Signatures are 65 bytes
/// each (r, s, v), by owners in ascending order.
contract TestMultisig {
    uint256 public immutable threshold;
    mapping(address owner => bool) public isOwner;
    uint256 public nonce;

    error NotEnoughOwners();
    error CallFailed();

    constructor(address[] memory owners, uint256 threshold_) {
        require(threshold_ != 0 && threshold_ <= owners.length, "threshold");
        for (uint256 i; i < owners.length; ++i) {
            require(owners[i] != address(0) && !isOwner[owners[i]], "owner");
            isOwner[owners[i]] = true;
        }
        threshold = threshold_;
    }

    receive() external payable {}

    /// What owners sign for a call: this chain, this wallet, the next nonce.
    function callHash(address to, uint256 value, bytes calldata data, uint256 nonce_) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), "execute", to, value, keccak256(data), nonce_));
    }

    /// What owners sign for a digest that this wallet signs.
    function digestHash(bytes32 digest) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), "sign", digest));
    }

    function execute(address to, uint256 value, bytes calldata data, bytes calldata signatures)
        external
        returns (bytes memory answer)
    {
        if (!_enough(callHash(to, value, data, nonce++), signatures)) revert NotEnoughOwners();
        bool ok;
        (ok, answer) = to.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata signatures) external view returns (bytes4) {
        return _enough(digestHash(digest), signatures) ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }

    function _enough(bytes32 hash, bytes calldata signatures) private view returns (bool) {
        if (signatures.length != threshold * 65) return false;
        address last;
        for (uint256 i; i < signatures.length; i += 65) {
            bytes calldata one = signatures[i:i + 65];
            address signer = ecrecover(hash, uint8(one[64]), bytes32(one[:32]), bytes32(one[32:64]));
            if (signer <= last || !isOwner[signer]) return false;
            last = signer;
        }
        return true;
    }
}
