// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../../src/interfaces/IEntityProvider.sol";
import {IGovernance} from "../../src/interfaces/IGovernance.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// Boards, delegations and messages of organisations, written from docs/encodings.md apart from the contracts.
abstract contract OrgBase is Base {
    IEntityProvider.Permission internal constant STATES = IEntityProvider.Permission.States;
    IEntityProvider.Permission internal constant DISPUTE = IEntityProvider.Permission.Dispute;
    IEntityProvider.Permission internal constant WITHDRAW = IEntityProvider.Permission.Withdraw;
    IEntityProvider.Permission internal constant GOVERN = IEntityProvider.Permission.Govern;
    uint256 internal constant OPERATOR = 0x09e7;

    IGovernance internal gov;
    /// Keys whose accounts ascend.
    uint256[] internal keys;

    function setUp() public virtual override {
        super.setUp();
        gov = IGovernance(address(entities));
        for (uint256 i; i < 8; ++i) {
            uint256 key = 0x1000 + i;
            keys.push(key);
            for (uint256 j = i; j > 0 && vm.addr(keys[j - 1]) > vm.addr(keys[j]); --j) {
                (keys[j - 1], keys[j]) = (keys[j], keys[j - 1]);
            }
        }
    }

    function account(uint256 key) internal pure returns (bytes32) {
        return entity(vm.addr(key));
    }

    // Boards.

    /// The accounts of keys `from` to `from + n`, each of weight 1.
    function flat(uint256 from, uint256 n, uint32 threshold) internal view returns (bytes memory board) {
        board = abi.encodePacked(threshold, uint8(n));
        for (uint256 i; i < n; ++i) board = abi.encodePacked(board, account(keys[from + i]), uint32(1));
    }

    function two(bytes32 a, uint32 weightA, bytes32 b, uint32 weightB, uint32 threshold) internal pure returns (bytes memory) {
        return a < b
            ? abi.encodePacked(threshold, uint8(2), a, weightA, b, weightB)
            : abi.encodePacked(threshold, uint8(2), b, weightB, a, weightA);
    }

    function one(bytes32 member) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32(1), uint8(1), member, uint32(1));
    }

    function counterfactual(bytes memory board) internal pure returns (bytes32) {
        return bytes32(uint256(2) << 248 | (uint256(keccak256(board)) << 8) >> 8);
    }

    function entityDigest(bytes32 structHash) internal pure returns (bytes32) {
        bytes32 d = keccak256(
            abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("xln entity"), keccak256("1"))
        );
        return keccak256(abi.encodePacked(hex"1901", d, structHash));
    }

    function approval(bytes32 who, bytes32 digest) internal pure returns (bytes32) {
        return entityDigest(keccak256(abi.encode(keccak256("BoardApproval(bytes32 entity,bytes32 digest)"), who, digest)));
    }

    function part(bytes memory signature) internal pure returns (bytes memory) {
        return abi.encodePacked(uint16(signature.length), signature);
    }

    /// By those of a flat board whose bit is set.
    function byFlat(bytes32 who, bytes memory board, uint256 from, uint256 n, uint256 mask, bytes32 digest)
        internal
        view
        returns (bytes memory out)
    {
        out = abi.encodePacked(uint8(1), board);
        for (uint256 i; i < n; ++i) {
            out = abi.encodePacked(out, part(mask >> i & 1 != 0 ? sig(keys[from + i], approval(who, digest)) : bytes("")));
        }
    }

    function byOne(bytes memory board, bytes memory signature) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), board, part(signature));
    }

    // Delegations.

    struct Deleg {
        uint8 permissions;
        uint40 expiry;
        uint32 serial;
        bytes limits;
    }

    function limit(address depository, uint32 token, uint128 amount) internal view returns (bytes memory) {
        return abi.encodePacked(uint64(block.chainid), depository, token, amount);
    }

    function delegation(Deleg memory d) internal pure returns (bytes memory) {
        return abi.encodePacked(vm.addr(OPERATOR), d.permissions, d.expiry, d.serial, uint8(d.limits.length / 48), d.limits);
    }

    function delegationDigest(bytes32 who, bytes memory deleg) internal pure returns (bytes32) {
        return entityDigest(keccak256(abi.encode(keccak256("Delegation(bytes32 entity,bytes delegation)"), who, keccak256(deleg))));
    }

    function byOperator(bytes32 who, bytes memory deleg, bytes memory byBoard, bytes32 digest)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(2), deleg, part(byBoard), sig(OPERATOR, approval(who, digest)));
    }

    // Messages to the EntityProvider.

    function message(bytes32 structHash) internal view returns (bytes32) {
        bytes32 d = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("xln EntityProvider"),
                keccak256("1"),
                block.chainid,
                address(entities)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", d, structHash));
    }

    function governDigest(bytes32 who, uint64 nonce, uint64 expiry, bytes memory call) internal view returns (bytes32) {
        bytes32 t = keccak256("Govern(bytes32 entity,uint64 nonce,uint64 expiry,bytes call)");
        return message(keccak256(abi.encode(t, who, nonce, expiry, keccak256(call))));
    }

    function revokeDigest(bytes32 who, bytes32 deleg) internal view returns (bytes32) {
        return message(keccak256(abi.encode(keccak256("Revoke(bytes32 entity,bytes32 delegation)"), who, deleg)));
    }

    // An organisation of keys 0 to 2, two of which sign.

    function board3() internal view returns (bytes memory) {
        return flat(0, 3, 2);
    }

    function by3(bytes32 who, bytes32 digest) internal view returns (bytes memory) {
        return byFlat(who, board3(), 0, 3, 3, digest);
    }

    function relay3(bytes32 who, bytes memory call) internal {
        bytes memory s = by3(who, governDigest(who, gov.nonceOf(who), type(uint64).max, call));
        gov.relay(who, type(uint64).max, call, s);
    }

    function noTerms() internal pure returns (IGovernance.Terms memory t) {}

    function register3() internal returns (bytes32) {
        return gov.organisation(gov.register(keccak256(board3()), noTerms(), new IGovernance.Holder[](0)));
    }

    function valid(bytes32 who, bytes32 digest, bytes memory signature, IEntityProvider.Permission p)
        internal
        view
        returns (bool)
    {
        return entities.isValidSignature(who, digest, signature, p);
    }

    function err(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }
}
