// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

/// Operators: permissions, expiry, revocation, limits; and what is relayed for organisations.
contract DelegationsTest is OrgBase {
    bytes32 private constant D = keccak256("digest");
    bytes32 private who;

    function setUp() public override {
        super.setUp();
        who = register3();
    }

    function by(bytes memory d, bytes32 digest) private view returns (bytes memory) {
        return byOperator(who, d, by3(who, delegationDigest(who, d)), digest);
    }

    function only(bytes memory s, bool states, bool others) private view {
        yes(valid(who, D, s, STATES) == states, "states");
        for (uint8 p = 1; p < 4; ++p) yes(valid(who, D, s, IEntityProvider.Permission(p)) == others, "others");
    }

    function test_delegation_permissions() public view {
        for (uint256 bits; bits < 256; ++bits) {
            bytes memory s = by(delegation(Deleg(uint8(bits), uint40(T0), 7, "")), D);
            for (uint8 p; p < 4; ++p) {
                bool want = bits < 16 && bits >> p & 1 != 0 && (p != 1 || bits & 1 != 0);
                yes(valid(who, D, s, IEntityProvider.Permission(p)) == want, "its bits, and no other bits");
            }
        }
    }

    function test_delegation_expiry() public {
        bytes memory s = by(delegation(Deleg(15, uint40(T0), 0, "")), D);
        only(s, true, true);
        vm.warp(T0 + 1);
        only(s, true, false);
        vm.warp(T0 + GRACE);
        only(s, true, false);
        vm.warp(T0 + GRACE + 1);
        only(s, false, false);
        // The largest expiry does not wrap.
        only(by(delegation(Deleg(15, type(uint40).max, 0, "")), D), true, true);
    }

    function test_delegation_strict() public {
        bytes memory d = delegation(Deleg(15, uint40(T0), 0, ""));
        bytes memory board = by3(who, delegationDigest(who, d));
        bytes memory good = byOperator(who, d, board, D);
        only(good, true, true);
        only(abi.encodePacked(good, uint8(0)), false, false);
        for (uint256 n = 1; n < good.length; ++n) {
            bytes memory cut = abi.encodePacked(good);
            assembly {
                mstore(cut, n)
            }
            yes(!valid(who, D, cut, DISPUTE), "cut");
        }
        bytes memory head = abi.encodePacked(uint8(2), d, part(board));
        only(abi.encodePacked(head, sig(OPERATOR, D)), false, false);
        only(abi.encodePacked(head, sig(OPERATOR + 1, approval(who, D))), false, false);
        only(abi.encodePacked(head, new bytes(64)), false, false);
        only(abi.encodePacked(head, sig(OPERATOR, approval(counterfactual(board3()), D))), false, false);
        // The board signs this delegation of this entity, as a board and not by an operator.
        only(byOperator(who, d, by3(who, delegationDigest(register3(), d)), D), false, false);
        only(byOperator(who, d, by3(who, D), D), false, false);
        only(byOperator(who, d, "", D), false, false);
        only(byOperator(who, d, by(d, delegationDigest(who, d)), D), false, false);
        board[0] = 0x00;
        only(byOperator(who, d, board, D), false, false);
    }

    function test_delegation_limitsAscend() public view {
        bytes memory a = limit(address(dep), 1, 5);
        bytes memory b = limit(address(dep), 2, 5);
        only(by(delegation(Deleg(15, uint40(T0), 0, abi.encodePacked(a, b))), D), true, true);
        only(by(delegation(Deleg(15, uint40(T0), 0, abi.encodePacked(b, a))), D), false, false);
        only(by(delegation(Deleg(15, uint40(T0), 0, abi.encodePacked(a, a))), D), false, false);
    }

    /// Revoked by whoever may, without the operator: at once, for states after the grace.
    function test_rule27_revocation() public {
        bytes memory d = delegation(Deleg(15, uint40(T0 + 365 days), 0, ""));
        bytes memory s = by(d, D);
        vm.expectEmit(true, true, true, true);
        emit IEntityProvider.DelegationRevoked(who, keccak256(d), uint40(T0 + GRACE));
        relay3(who, abi.encodeCall(IGovernance.revokeDelegation, (keccak256(d))));
        eq(gov.revokedUntil(who, keccak256(d)), T0 + GRACE, "until");
        only(s, true, false);
        vm.warp(T0 + GRACE);
        only(s, true, false);
        vm.warp(T0 + GRACE + 1);
        only(s, false, false);
        only(by(delegation(Deleg(15, uint40(T0 + 365 days), 1, "")), D), true, true);
        // For good: no later revocation makes it longer.
        bytes memory sr = by3(who, revokeDigest(who, keccak256(d)));
        vm.expectRevert(IGovernance.AlreadyRevoked.selector);
        gov.revokeDelegationFor(who, keccak256(d), sr);
    }

    /// Its own expiry still counts: revocation does not make it longer.
    function test_revocationDoesNotProlong() public {
        bytes memory d = delegation(Deleg(15, uint40(T0), 0, ""));
        bytes memory s = by(d, D);
        vm.warp(T0 + 100);
        gov.revokeDelegationFor(who, keccak256(d), by3(who, revokeDigest(who, keccak256(d))));
        vm.warp(T0 + GRACE);
        only(s, true, false);
        vm.warp(T0 + GRACE + 1);
        only(s, false, false);
    }

    /// The operator may govern and uses up nonces: that does not stop its revocation.
    function test_revocationCannotBeRaced() public {
        bytes memory d = delegation(Deleg(8, uint40(T0 + 1 days), 0, ""));
        bytes memory byNonce = abi.encodeCall(IGovernance.revokeDelegation, (keccak256(d)));
        bytes memory stale = by3(who, governDigest(who, 0, type(uint64).max, byNonce));
        bytes memory sr = by3(who, revokeDigest(who, keccak256(d)));
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (keccak256("b")));
        gov.relay(who, type(uint64).max, call, by(d, governDigest(who, 0, type(uint64).max, call)));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, who));
        gov.relay(who, type(uint64).max, byNonce, stale);
        bytes memory bySelf = sig(OPERATOR, revokeDigest(who, keccak256(d)));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, who));
        gov.revokeDelegationFor(who, keccak256(d), bySelf);
        gov.revokeDelegationFor(who, keccak256(d), sr);
        yes(!valid(who, D, by(d, D), GOVERN), "revoked");
    }

    function test_revocation_counterfactualAndAccounts() public {
        bytes32 old = who;
        who = counterfactual(board3());
        bytes memory d = delegation(Deleg(15, uint40(T0 + 1 days), 0, ""));
        only(by(d, D), true, true);
        relay3(who, abi.encodeCall(IGovernance.revokeDelegation, (keccak256(d))));
        only(by(d, D), true, false);
        // Of one entity only.
        who = old;
        only(by(d, D), true, true);
        who = account(keys[5]);
        vm.prank(vm.addr(keys[5]));
        gov.recordBoard(keccak256(board3()));
        only(by(d, D), true, true);
        vm.prank(vm.addr(keys[5]));
        gov.revokeDelegation(keccak256(d));
        only(by(d, D), true, false);
    }

    /// A delegation counts only as long as the board that signed it.
    function test_delegation_endsWithItsBoard() public {
        bytes memory s = by(delegation(Deleg(15, uint40(T0 + 365 days), 0, "")), D);
        relay3(who, abi.encodeCall(IGovernance.proposeBoard, (keccak256(flat(3, 2, 1)))));
        vm.warp(T0 + BOARD_DELAY);
        only(s, true, true);
        gov.activateBoard(who);
        only(s, true, false);
        vm.warp(T0 + BOARD_DELAY + GRACE + 1);
        only(s, false, false);
    }

    /// In another's board an operator needs the same permission, and no limits where nobody could count them.
    function test_delegation_nested() public view {
        bytes memory outer = one(who);
        bytes32 top = counterfactual(outer);
        bytes memory limits = limit(address(dep), 1, 5);
        for (uint8 bits = 1; bits < 16; ++bits) {
            for (uint256 limited; limited < 2; ++limited) {
                bytes memory d = delegation(Deleg(bits, uint40(T0), 0, limited == 1 ? limits : bytes("")));
                bytes memory s = byOne(outer, by(d, approval(top, D)));
                for (uint8 p; p < 4; ++p) {
                    bool want = bits >> p & 1 != 0 && (p != 1 || bits & 1 != 0) && !(limited == 1 && p == 2);
                    yes(valid(top, D, s, IEntityProvider.Permission(p)) == want, "nested");
                }
            }
        }
    }

    // Limits.

    function out(uint32 token, uint128 amount) private pure returns (IEntityProvider.Outflow[] memory o) {
        o = new IEntityProvider.Outflow[](1);
        o[0] = IEntityProvider.Outflow(token, amount);
    }

    function spend(address depository, bytes memory s, IEntityProvider.Outflow[] memory o) private returns (bool) {
        vm.prank(depository);
        return gov.spend(who, D, s, o);
    }

    /// Against a sum in the test: what may leave in all, per Depository, token and delegation.
    function test_spend_neverPassesTheLimit(uint128[3] memory limits, uint128[12] memory amounts, uint256 seed) public {
        bytes memory list;
        for (uint32 t; t < 3; ++t) list = abi.encodePacked(list, limit(address(0xd0), t + 1, limits[t]));
        bytes memory d = delegation(Deleg(4, uint40(T0), 0, list));
        bytes memory s = by(d, D);
        uint256[4] memory sums;
        for (uint256 i; i < 12; i += 2) {
            IEntityProvider.Outflow[] memory o = new IEntityProvider.Outflow[](2);
            uint256[4] memory next = [sums[0], sums[1], sums[2], sums[3]];
            bool want = true;
            for (uint256 j; j < 2; ++j) {
                uint256 t = uint256(keccak256(abi.encode(seed, i, j))) % 16;
                t = t > 12 ? 3 : t % 3;
                o[j] = IEntityProvider.Outflow(uint32(t + 1), amounts[i + j] / 4);
                next[t] += o[j].amount;
                if (next[t] > (t == 3 ? 0 : limits[t])) want = false;
            }
            yes(spend(address(0xd0), s, o) == want, "within the limits");
            if (want) sums = next;
            for (uint32 t; t < 4; ++t) eq(gov.spent(address(0xd0), who, keccak256(d), t + 1), sums[t], "counted");
        }
    }

    function test_spend_boundaries() public {
        bytes memory d = delegation(Deleg(4, uint40(T0 + 9), 0, limit(address(0xd0), 1, 100)));
        bytes memory s = by(d, D);
        yes(!spend(address(0xd0), s, out(1, 101)), "one more");
        yes(spend(address(0xd0), s, out(1, 100)), "all");
        yes(!spend(address(0xd0), s, out(1, 1)), "used up");
        yes(spend(address(0xd0), s, out(1, 0)) && spend(address(0xd0), s, new IEntityProvider.Outflow[](0)), "nothing");
        yes(!spend(address(0xd1), s, out(1, 1)), "another Depository has no limit listed");
        yes(!spend(address(0xd0), s, out(2, 1)), "nor has another token");
        // A further serial is a delegation of its own, and so is the same bytes' of another entity.
        d = delegation(Deleg(4, uint40(T0 + 9), 1, limit(address(0xd0), 1, 100)));
        yes(spend(address(0xd0), by(d, D), out(1, 100)), "another");
        who = register3();
        yes(spend(address(0xd0), by(d, D), out(1, 100)), "another entity's");
        vm.warp(T0 + 10);
        yes(!spend(address(0xd0), by(d, D), out(1, 0)), "expired");
    }

    /// A stranger's count is its own.
    function test_spend_nobodyElseUsesItUp() public {
        bytes memory d = delegation(
            Deleg(4, uint40(T0), 0, abi.encodePacked(limit(address(0xd0), 1, 100), limit(address(0xd1), 1, 50)))
        );
        yes(spend(address(0xd1), by(d, D), out(1, 50)), "elsewhere");
        yes(spend(address(0xd0), by(d, D), out(1, 100)), "here");
        eq(gov.spent(address(0xd1), who, keccak256(d), 1), 50, "apart");
    }

    function test_spend_ofThisChain() public {
        bytes memory other = abi.encodePacked(uint64(block.chainid - 1), address(0xd0), uint32(1), uint128(7));
        yes(!spend(address(0xd0), by(delegation(Deleg(4, uint40(T0), 0, other)), D), out(1, 1)), "another chain's");
        yes(spend(address(0xd0), by(delegation(Deleg(4, uint40(T0), 0, "")), D), out(1, type(uint128).max)), "no limits");
        yes(!spend(address(0xd0), by(delegation(Deleg(11, uint40(T0), 0, "")), D), out(1, 0)), "not permitted");
        yes(spend(address(0xd0), by3(who, D), out(1, type(uint128).max)), "the board has no limits");
        yes(!spend(address(0xd0), by3(who, keccak256("x")), out(1, 0)), "nobody");
        who = account(keys[0]);
        yes(spend(address(0xd0), sig(keys[0], D), out(1, 5)), "nor has a key");
    }

    // What is relayed.

    function test_relay_bindsEverything() public {
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (keccak256("new")));
        bytes memory s = by3(who, governDigest(who, 0, uint64(T0 + 5), call));
        bytes memory invalid = abi.encodeWithSelector(IGovernance.InvalidSignature.selector, who);
        vm.expectRevert(invalid);
        gov.relay(who, uint64(T0 + 6), call, s);
        vm.expectRevert(invalid);
        gov.relay(who, uint64(T0 + 5), abi.encodeCall(IGovernance.cancelBoard, ()), s);
        bytes32 other = register3();
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, other));
        gov.relay(other, uint64(T0 + 5), call, s);
        IGovernance second = IGovernance(vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(GRACE, BOARD_DELAY)));
        bytes32 counter = counterfactual(board3());
        bytes memory cs = by3(counter, governDigest(counter, 0, uint64(T0 + 5), call));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, counter));
        second.relay(counter, uint64(T0 + 5), call, cs);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        vm.expectRevert(invalid);
        gov.relay(who, uint64(T0 + 5), call, s);
        vm.chainId(chain);
        vm.warp(T0 + 6);
        vm.expectRevert(IGovernance.Expired.selector);
        gov.relay(who, uint64(T0 + 5), call, s);
        vm.warp(T0 + 5);
        gov.relay(who, uint64(T0 + 5), call, s);
        eq(gov.nonceOf(who), 1, "nonce");
        vm.expectRevert(invalid);
        gov.relay(who, uint64(T0 + 5), call, s);
    }

    function test_relay_needsGovern() public {
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (keccak256("new")));
        bytes32 digest = governDigest(who, 0, type(uint64).max, call);
        bytes memory s = by(delegation(Deleg(7, uint40(T0), 0, "")), digest);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, who));
        gov.relay(who, type(uint64).max, call, s);
        gov.relay(who, type(uint64).max, call, by(delegation(Deleg(8, uint40(T0), 0, "")), digest));
    }

    /// What fails inside fails whole, with its reason; nothing is relayed within a relay.
    function test_relay_failuresAndNesting() public {
        bytes memory call = abi.encodeCall(IGovernance.cancelBoard, ());
        bytes memory s = by3(who, governDigest(who, 0, type(uint64).max, call));
        vm.expectRevert(IGovernance.NoPendingBoard.selector);
        gov.relay(who, type(uint64).max, call, s);
        eq(gov.nonceOf(who), 0, "nothing happened");
        bytes memory outer = abi.encodeCall(IGovernance.relay, (who, type(uint64).max, call, s));
        bytes memory so = by3(who, governDigest(who, 0, type(uint64).max, outer));
        vm.expectRevert(IGovernance.Reentered.selector);
        gov.relay(who, type(uint64).max, outer, so);
    }

    /// Accounts' keys sign messages, too; afterwards a caller is itself again.
    function test_relay_forAccounts() public {
        bytes32 me = account(keys[0]);
        bytes memory call = abi.encodeCall(IGovernance.recordBoard, (keccak256("mine")));
        bytes memory s = sig(keys[0], governDigest(me, 0, type(uint64).max, call));
        gov.relay(me, type(uint64).max, call, s);
        eqb(gov.boardOf(me), keccak256("mine"), "recorded");
        gov.recordBoard(keccak256("other"));
        eqb(gov.boardOf(me), keccak256("mine"), "not mine");
        eqb(gov.boardOf(entity(address(this))), keccak256("other"), "the caller's");
        bytes memory sr = by3(who, governDigest(who, 0, type(uint64).max, call));
        vm.expectRevert(IGovernance.NotAnAccount.selector);
        gov.relay(who, type(uint64).max, call, sr);
    }

    function test_constants() public {
        eq(gov.grace(), GRACE, "grace");
        eq(gov.boardDelay(), BOARD_DELAY, "delay");
        vm.expectRevert();
        vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(3650 days + 1, 0));
        vm.expectRevert();
        vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(0, 3650 days + 1));
        vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(3650 days, 3650 days));
    }
}
