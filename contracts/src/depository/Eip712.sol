// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Hashing} from "../lib/Hashing.sol";
import {State} from "./State.sol";

/// What is signed: docs/protocol.md section 6, docs/encodings.md.
abstract contract Eip712 is State {
    bytes32 private constant SUBCHANNEL_LEAF =
        keccak256("SubchannelLeaf(uint256 chainId,address depository,uint32 epoch,bytes32 bodyHash)");
    bytes32 private constant CHANNEL_STATE = keccak256("ChannelState(bytes32 channelKey,uint64 nonce,bytes32 root)");
    bytes32 private constant COOPERATIVE_UPDATE =
        keccak256("CooperativeUpdate(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes update)");
    bytes32 private constant COOPERATIVE_CLOSE =
        keccak256("CooperativeClose(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes body)");
    bytes32 private constant DISPUTE_START =
        keccak256("DisputeStart(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills,uint64 expiry)");
    bytes32 private constant DISPUTE_ANSWER =
        keccak256("DisputeAnswer(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills)");

    /// Of ChannelState: without chain or contract, which the leaf names.
    bytes32 private immutable STATE_DOMAIN = keccak256(
        abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("xln"), keccak256("1"))
    );
    bytes32 private constant BATCH = keccak256("Batch(bytes32 entity,uint64 nonce,uint64 expiry,bytes operations)");

    function _buildDomain(address depository) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("xln Depository"),
                keccak256("1"),
                block.chainid,
                depository
            )
        );
    }

    /// The domain of the Depository's own messages; a chain that forks off gets its own.
    function _domain() internal view virtual returns (bytes32);

    /// Digest of the state that has this Depository's leaf at the end of the proof's path.
    function _stateDigest(bytes32 key, uint32 epoch, StateProof calldata proof) internal view returns (bytes32) {
        bytes32 bodyHash = proof.bodyHash;
        bytes32[] calldata path = proof.path;
        bytes32 node;
        bytes32 leafType = SUBCHANNEL_LEAF;
        // Assembly: a leaf is five words, and the walk needs no allocation.
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, leafType)
            mstore(add(p, 0x20), chainid())
            mstore(add(p, 0x40), address())
            mstore(add(p, 0x60), epoch)
            mstore(add(p, 0x80), bodyHash)
            mstore(0, keccak256(p, 0xa0))
            node := keccak256(0, 0x20)
            let end := add(path.offset, shl(5, path.length))
            for { let step := path.offset } lt(step, end) { step := add(step, 0x20) } {
                let other := calldataload(step)
                // Pairs are sorted: the smaller word first.
                let first := shl(5, gt(node, other))
                mstore(first, node)
                mstore(xor(first, 0x20), other)
                node := keccak256(0, 0x40)
            }
        }
        return Hashing.typed(STATE_DOMAIN, Hashing.words(CHANNEL_STATE, key, bytes32(uint256(proof.nonce)), node));
    }

    function _settlementDigest(bool close, bytes32 key, uint32 epoch, uint32 settlementNonce, uint64 expiry, bytes calldata data)
        internal
        view
        returns (bytes32)
    {
        return Hashing.typed(
            _domain(),
            Hashing.words(
                close ? COOPERATIVE_CLOSE : COOPERATIVE_UPDATE,
                key,
                bytes32(uint256(epoch)),
                bytes32(uint256(settlementNonce)),
                bytes32(uint256(expiry)),
                Hashing.bytesHash(data)
            )
        );
    }

    function _startDigest(bytes32 key, uint32 epoch, uint64 nonce, bytes32 bodyHash, bytes32 fillsHash, uint64 expiry)
        internal
        view
        returns (bytes32)
    {
        return Hashing.typed(
            _domain(), keccak256(abi.encode(DISPUTE_START, key, epoch, nonce, bodyHash, fillsHash, expiry))
        );
    }

    function _answerDigest(bytes32 key, uint32 epoch, uint64 nonce, bytes32 bodyHash, bytes32 fillsHash)
        internal
        view
        returns (bytes32)
    {
        return Hashing.typed(
            _domain(),
            Hashing.words(
                DISPUTE_ANSWER, key, bytes32(uint256(epoch)), bytes32(uint256(nonce)), bodyHash, fillsHash
            )
        );
    }

    function _batchDigest(bytes32 entity, uint64 nonce, uint64 expiry, bytes calldata operations)
        internal
        view
        returns (bytes32)
    {
        return Hashing.typed(
            _domain(), keccak256(abi.encode(BATCH, entity, nonce, expiry, Hashing.bytesHash(operations)))
        );
    }
}
