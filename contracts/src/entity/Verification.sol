// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IGovernance} from "../interfaces/IGovernance.sol";
import {Ecdsa} from "../lib/Ecdsa.sol";
import {Hashing} from "../lib/Hashing.sol";
import {Reader} from "../lib/Reader.sol";
import {BodyCodec} from "../depository/BodyCodec.sol";

/// Whether a signature is an entity's: docs/encodings.md, "Signatures". Exactly one encoding of each is valid.
abstract contract Verification is IGovernance {
    using BodyCodec for bytes;
    using Reader for bytes;

    uint256 private constant MAX_SIGNATURE = 4096;
    uint256 private constant MAX_DEPTH = 4;
    uint256 private constant MAX_MEMBERS = 32;
    uint256 private constant KEY_SIGNATURE = 64;
    /// `0x01 || u32 threshold || u8 n`
    uint256 private constant BOARD_HEAD = 6;
    /// `32-byte member || u32 weight`
    uint256 private constant MEMBER = 36;
    /// `0x02 || operator || u8 permissions || u40 expiry || u32 serial || u8 nLimits`
    uint256 private constant DELEGATION_HEAD = 32;
    /// `u64 chainId || depository || u32 token || u128 limit`: the first three are one word.
    uint256 private constant LIMIT = 48;
    uint256 private constant ALL_PERMISSIONS = 15;

    bytes32 private constant BOARD_APPROVAL = keccak256("BoardApproval(bytes32 entity,bytes32 digest)");
    bytes32 private constant DELEGATION = keccak256("Delegation(bytes32 entity,bytes delegation)");
    /// Without chain or contract: boards sign channel states, which span chains.
    bytes32 private immutable ENTITY_DOMAIN = keccak256(
        abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("xln entity"), keccak256("1"))
    );

    /// Whether `boardHash` speaks for `entity`; for channel states, a replaced one still does during the grace.
    function _boardStands(bytes32 entity, bytes32 boardHash, bool states) internal view virtual returns (bool);
    function _delegationStands(bytes32 entity, bytes32 delegation, uint256 expiry, bool states)
        internal
        view
        virtual
        returns (bool);
    function _voteStands(bytes32 entity, uint64 proposal, bytes32 digest, Permission permission)
        internal
        view
        virtual
        returns (bool);

    function _isAccount(bytes32 entity) internal pure returns (bool) {
        return uint256(entity) >> 160 == 0;
    }

    function _verify(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission)
        internal
        view
        returns (bool)
    {
        bytes32[MAX_DEPTH] memory above;
        return _signed(above, 0, entity, digest, signature, permission);
    }

    /// Whether it is by an operator of `entity` itself, whose limits then count. No key's signature is that long.
    function _verifyOperator(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission)
        internal
        view
        returns (bool)
    {
        if (signature.length <= KEY_SIGNATURE || signature.u8(0) != 2) return false;
        bytes32[MAX_DEPTH] memory above;
        return _byForm(above, 0, entity, digest, signature, permission);
    }

    /// The first `depth` entries of `above` are the entities in whose boards this one stands.
    function _signed(
        bytes32[MAX_DEPTH] memory above,
        uint256 depth,
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        Permission permission
    ) private view returns (bool) {
        for (uint256 i; i < depth; ++i) {
            if (above[i] == entity) return false;
        }
        if (!_isAccount(entity)) return _byForm(above, depth, entity, digest, signature, permission);
        address account = address(uint160(uint256(entity)));
        // With code or without: nobody can revoke what recovers to the address.
        address signer = Ecdsa.recover(digest, signature);
        if (signer != address(0) && signer == account) return true;
        if (_byForm(above, depth, entity, digest, signature, permission)) return true;
        return permission != Permission.States && _byContract(account, digest, signature);
    }

    /// ERC-1271: what it says today it may deny tomorrow, so never for channel states.
    function _byContract(address account, bytes32 digest, bytes calldata signature) private view returns (bool valid) {
        if (account.code.length == 0) return false;
        bytes memory data = abi.encodeWithSignature("isValidSignature(bytes32,bytes)", digest, signature);
        // Assembly: one word of the answer is read, however long it is.
        assembly ("memory-safe") {
            mstore(0, 0)
            let ok := staticcall(gas(), account, add(data, 0x20), mload(data), 0, 0x20)
            valid := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), shl(224, 0x1626ba7e)))
        }
    }

    function _byForm(
        bytes32[MAX_DEPTH] memory above,
        uint256 depth,
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        Permission permission
    ) private view returns (bool) {
        if (depth == MAX_DEPTH || signature.length == 0 || signature.length > MAX_SIGNATURE) return false;
        uint256 form = signature.u8(0);
        if (form == 1) return _byBoard(above, depth, entity, digest, signature, permission);
        if (form == 2) return _byOperator(above, depth, entity, digest, signature, permission);
        return form == 3 && signature.length == 9 && permission != Permission.States
            && _voteStands(entity, signature.u64(1), digest, permission);
    }

    function _byBoard(
        bytes32[MAX_DEPTH] memory above,
        uint256 depth,
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        Permission permission
    ) private view returns (bool) {
        unchecked {
            // Lengths are checked before what they cover is used; all sums are of small values.
            if (signature.length < BOARD_HEAD || signature.u8(0) != 1) return false;
            uint256 pos = BOARD_HEAD + signature.u8(5) * MEMBER;
            if (pos > signature.length || !_isBoard(signature[1:pos])) return false;
            if (!_boardStands(entity, Hashing.bytesHash(signature[1:pos]), permission == Permission.States)) return false;
            above[depth] = entity;
            digest = _approval(entity, digest);
            uint256 missing = signature.u32(1);
            for (uint256 member = BOARD_HEAD; member < BOARD_HEAD + signature.u8(5) * MEMBER; member += MEMBER) {
                if (signature.length < pos + 2) return false;
                uint256 end = pos + 2 + signature.u16(pos);
                if (signature.length < end) return false;
                if (end != pos + 2) {
                    // The threshold was reached without this one.
                    if (missing == 0) return false;
                    if (!_signed(above, depth + 1, signature.bytes32At(member), digest, signature[pos + 2:end], permission)) {
                        return false;
                    }
                    uint256 weight = signature.u32(member + 32);
                    missing = weight < missing ? missing - weight : 0;
                }
                pos = end;
            }
            return missing == 0 && pos == signature.length;
        }
    }

    /// `u32 threshold || u8 n || members`, whose length is right.
    function _isBoard(bytes calldata board) private pure returns (bool) {
        unchecked {
            uint256 n = board.u8(4);
            if (n == 0 || n > MAX_MEMBERS) return false;
            uint256 sum;
            uint256 last;
            for (uint256 pos = BOARD_HEAD - 1; pos < board.length; pos += MEMBER) {
                uint256 member = uint256(board.bytes32At(pos));
                uint256 weight = board.u32(pos + 32);
                if (weight == 0 || (sum != 0 && member <= last)) return false;
                last = member;
                sum += weight;
            }
            uint256 threshold = board.u32(0);
            return threshold != 0 && threshold <= sum;
        }
    }

    /// The board is asked with the same permission: whoever is in it by an operator needs that, too.
    function _byOperator(
        bytes32[MAX_DEPTH] memory above,
        uint256 depth,
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        Permission permission
    ) private view returns (bool) {
        unchecked {
            if (signature.length < DELEGATION_HEAD) return false;
            uint256 end = DELEGATION_HEAD + signature.u8(31) * LIMIT;
            if (signature.length < end + 2) return false;
            uint256 boardEnd = end + 2 + signature.u16(end);
            if (signature.length != boardEnd + KEY_SIGNATURE) return false;
            if (!_isDelegation(signature[:end], permission)) return false;
            // In another's board nobody could count what it lets out of that other's reserve.
            if (depth != 0 && permission == Permission.Withdraw && end != DELEGATION_HEAD) return false;
            bytes32 delegation = Hashing.bytesHash(signature[1:end]);
            if (!_delegationStands(entity, delegation, signature.u40(22), permission == Permission.States)) return false;
            address operator = Ecdsa.recover(_approval(entity, digest), signature[boardEnd:]);
            if (operator == address(0) || operator != signature.addr(1)) return false;
            digest = Hashing.typed(ENTITY_DOMAIN, keccak256(abi.encode(DELEGATION, entity, delegation)));
            return _byBoard(above, depth, entity, digest, signature[end + 2:boardEnd], permission);
        }
    }

    /// `0x02 || delegation`, whose length is right.
    function _isDelegation(bytes calldata head, Permission permission) private pure returns (bool) {
        unchecked {
            uint256 permissions = head.u8(21);
            // A start or an answer shows a state that only the other side has signed: who may dispute consents to states.
            uint256 needed = permission == Permission.Dispute ? 3 : 1 << uint8(permission);
            if (permissions > ALL_PERMISSIONS || permissions & needed != needed) return false;
            uint256 last;
            for (uint256 pos = DELEGATION_HEAD; pos < head.length; pos += LIMIT) {
                uint256 key = uint256(head.bytes32At(pos));
                if (pos != DELEGATION_HEAD && key <= last) return false;
                last = key;
            }
            return true;
        }
    }

    /// What a valid operator's signature names: its delegation's hash, whether it has limits, and the one of `token` in the
    /// Depository `depository` of this chain.
    function _limit(bytes calldata signature, address depository, uint32 token)
        internal
        view
        returns (uint256 limit)
    {
        uint256 key = block.chainid << 192 | uint256(uint160(depository)) << 32 | token;
        uint256 end = DELEGATION_HEAD + signature.u8(31) * LIMIT;
        for (uint256 pos = DELEGATION_HEAD; pos < end; pos += LIMIT) {
            if (uint256(signature.bytes32At(pos)) == key) return signature.u128(pos + 32);
        }
    }

    function _delegationOf(bytes calldata signature) internal pure returns (bytes32 delegation, bool limited) {
        uint256 limits = signature.u8(31);
        return (Hashing.bytesHash(signature[1:DELEGATION_HEAD + limits * LIMIT]), limits != 0);
    }

    /// What members and operators sign, never the digest itself.
    function _approval(bytes32 entity, bytes32 digest) private view returns (bytes32) {
        bytes32 structHash;
        bytes32 typeHash = BOARD_APPROVAL;
        // Assembly: three words in unallocated memory.
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typeHash)
            mstore(add(p, 0x20), entity)
            mstore(add(p, 0x40), digest)
            structHash := keccak256(p, 0x60)
        }
        return Hashing.typed(ENTITY_DOMAIN, structHash);
    }
}
