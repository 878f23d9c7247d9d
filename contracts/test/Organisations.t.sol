// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {Codec} from "./utils/Codec.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

/// Organisations that own reserves and channels: operators within their limits, and holders who decide by vote.
contract OrganisationsTest is OrgBase {
    uint64 private constant FOREVER = type(uint64).max;
    address private constant TO = address(0xcafe);

    function batchDigest(bytes32 who, bytes memory operations) private view returns (bytes32) {
        bytes32 t = keccak256("Batch(bytes32 entity,uint64 nonce,uint64 expiry,bytes operations)");
        return typed(keccak256(abi.encode(t, who, dep.batchNonce(who), FOREVER, keccak256(operations))));
    }

    function withdrawal(uint256 amount) private pure returns (bytes memory) {
        Codec.Op[] memory ops = new Codec.Op[](1);
        ops[0].data = abi.encodeCall(IDepository.withdraw, (0, amount, TO));
        return Codec.operations(ops);
    }

    function refused(bytes32 who, bytes memory ops, bytes memory s) private {
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.processBatch(who, FOREVER, ops, s);
    }

    function test_operator_withdrawsWithinItsLimits() public {
        bytes32 who = register3();
        dep.depositEth{value: 10 ether}(who);
        bytes memory d = delegation(Deleg(4, uint40(T0 + 9), 0, limit(address(dep), 0, 3 ether)));
        bytes memory byBoard = by3(who, delegationDigest(who, d));
        bytes memory ops = withdrawal(2 ether);
        dep.processBatch(who, FOREVER, ops, byOperator(who, d, byBoard, batchDigest(who, ops)));
        eq(TO.balance, 2 ether, "within");
        refused(who, ops, byOperator(who, d, byBoard, batchDigest(who, ops)));
        ops = withdrawal(1 ether);
        dep.processBatch(who, FOREVER, ops, byOperator(who, d, byBoard, batchDigest(who, ops)));
        ops = withdrawal(1);
        refused(who, ops, byOperator(who, d, byBoard, batchDigest(who, ops)));
        // The board itself has no limit.
        ops = withdrawal(7 ether);
        dep.processBatch(who, FOREVER, ops, by3(who, batchDigest(who, ops)));
        eq(TO.balance, 10 ether, "all");
    }

    /// Holders start a dispute of their organisation's channel, without its board.
    function test_holders_decideAnOperationOfTheChannel() public {
        vm.roll(50);
        IGovernance.Holder[] memory h = new IGovernance.Holder[](2);
        (h[0].holder, h[0].control, h[1].holder, h[1].control) = (account(keys[3]), 60, account(keys[4]), 40);
        IGovernance.Terms memory t = IGovernance.Terms(3 days, 1 days, 5 days, 500_000, 0);
        bytes32 who = gov.organisation(gov.register(keccak256(board3()), t, h));
        vm.roll(51);
        (uint256 key, address peerAddr) = (rightKey, rightAddr);
        (left, right) = (entity(peerAddr), who);
        chKey = keccak256(abi.encode(left, right));
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(who, left, 3 ether);
        depositEth(peerAddr, 5 ether);
        vm.prank(peerAddr);
        dep.reserveToCollateral(0, Codec.fundings(f));
        // The peer signed that 1 ETH of the organisation's 3 is the peer's.
        bytes memory body = Codec.one(0, 1 ether);
        IDepositoryTypes.StateProof memory p = proofBy(key, 0, 5, body);
        vm.prank(vm.addr(keys[3]));
        uint64 proposal = gov.propose(
            who, IGovernance.Kind.Approve, DISPUTE, startDigest(0, 5, p.bodyHash, "", FOREVER)
        );
        vm.prank(vm.addr(keys[3]));
        gov.vote(proposal, true);
        bytes memory vote = abi.encodePacked(uint8(3), proposal);
        vm.warp(T0 + 4 days);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.startDispute(who, left, p, "", FOREVER, vote);
        vm.warp(T0 + 4 days + 1);
        dep.startDispute(who, left, p, "", FOREVER, vote);
        Codec.Dispute memory d = disputeOf(5, false, body, "");
        vm.warp(T0 + 4 days + 2 + WINDOW);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        eq(reserves(who, 0), 2 ether, "3 - 1");
        // A vote never signs a state.
        bytes32 state = stateDigest(7, rootOf(1, keccak256(body)));
        vm.prank(vm.addr(keys[3]));
        vm.expectRevert(IGovernance.NeverForStates.selector);
        gov.propose(who, IGovernance.Kind.Approve, STATES, state);
    }
}
