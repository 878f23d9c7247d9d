// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

/// docs/protocol.md section 7: who may do what, when.
contract DisputesTest is Base {
    bytes private older;
    bytes private newer;

    function setUp() public override {
        super.setUp();
        depositEth(leftAddr, 1000);
        depositEth(rightAddr, 1000);
        fund(leftAddr, 0, 100);
        older = Codec.one(0, -10);
        newer = Codec.one(0, -40);
    }

    function running() private view returns (bytes24 h) {
        (,, h) = dep.channel(left, right);
    }

    function finalize(Codec.Dispute memory d, bytes memory body) private {
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
    }

    function expectFinalize(bytes4 why, Codec.Dispute memory d, bytes memory body) private {
        vm.expectRevert(why);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
    }

    function paid(uint256 toRight) private view {
        eq(reserves(right, 0), 1000 + toRight, "right");
        eq(reserves(left, 0), 900 + 100 - toRight, "left");
        (uint128 c, int128 o) = bucket(0);
        yes(c == 0 && o == 0, "bucket");
        yes(running() == 0, "over");
        (uint32 epoch,) = epochAndNonce();
        eq(epoch, 1, "epoch");
    }

    function test_start_stateAndHash() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        eqb(running(), hashOf(d), "hash");
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 6, newer);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.DisputeRunning.selector);
        dep.startDispute(left, right, p, "", 0, "");
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.DisputeRunning.selector);
        dep.startEmptyDispute(left, right, new uint32[](0), 0, "");
    }

    /// The events are written by hand: they must be what the ABI says.
    function test_events(bytes32 word, uint8 cut) public {
        bytes memory fills = abi.encodePacked(word, word);
        uint256 length = cut % 65;
        assembly {
            mstore(fills, length)
        }
        Codec.Dispute memory d = disputeOf(4, true, older, fills);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.DisputeStarted(left, right, 0, Codec.dispute(d), fills);
        start(true, 4, older, fills);
        d = answered(d, 5, newer, fills);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.DisputeAnswered(left, right, 0, Codec.dispute(d), fills);
        counter(disputeOf(4, true, older, fills), 5, newer, fills);
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 7, older);
        bytes memory r = sig(rightKey, stateDigest(7, rootOf(0, p.bodyHash)));
        (d.nonce, d.bodyHash, d.answered, d.answeredAt, d.answererFillsHash) = (7, p.bodyHash, false, 0, 0);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.DisputeAnswered(left, right, 0, Codec.dispute(d), "");
        dep.counterDisputeWithBoth(left, right, Codec.dispute(answered(disputeOf(4, true, older, fills), 5, newer, fills)), p, r);
    }

    function test_start_byRelayer() public {
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 4, older);
        bytes memory fills = new bytes(24);
        bytes memory s = sig(rightKey, startDigest(0, 4, p.bodyHash, fills, uint64(T0 + 5)));
        vm.warp(T0 + 6);
        vm.expectRevert(IDepositoryTypes.Expired.selector);
        dep.startDispute(right, left, p, fills, uint64(T0 + 5), s);
        vm.warp(T0 + 5);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.startDispute(right, left, p, "", uint64(T0 + 5), s);
        dep.startDispute(right, left, p, fills, uint64(T0 + 5), s);
        eqb(running(), hashOf(disputeOf(4, false, older, fills)), "hash");
    }

    /// Its peer could start a stale one and accept it.
    function test_start_neverOnSomeonesBehalf() public {
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 4, older);
        vm.prank(rightAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, left));
        dep.startDispute(left, right, p, "", 0, "");
        vm.prank(rightAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, left));
        dep.startEmptyDispute(left, right, new uint32[](0), 0, "");
    }

    function test_rule6_proofsAreChecked() public {
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right);
        IDepositoryTypes.StateProof memory good = proofBy(rightKey, 0, 4, older);
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 4, older);
        attempt(p, why);
        p = proofBy(rightKey, 1, 4, older);
        attempt(p, why);
        p = proofBy(rightKey, 0, 4, older);
        p.nonce = 6;
        attempt(p, why);
        p = proofBy(rightKey, 0, 4, older);
        p.bodyHash = keccak256(newer);
        attempt(p, why);
        p = proofBy(rightKey, 0, 4, older);
        p.path[0] = bytes32(uint256(1));
        attempt(p, why);
        p = proofBy(rightKey, 0, 4, older);
        p.path = new bytes32[](0);
        attempt(p, why);
        p = proofBy(rightKey, 0, 0, older);
        attempt(p, abi.encodeWithSelector(IDepositoryTypes.NonceNotNewer.selector));
        vm.chainId(5);
        attempt(good, why);
        vm.chainId(31337);
        vm.prank(leftAddr);
        dep.startDispute(left, right, good, "", 0, "");
    }

    function attempt(IDepositoryTypes.StateProof memory p, bytes memory why) private {
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.startDispute(left, right, p, "", 0, "");
    }

    function test_longPath(bytes32 a, bytes32 b, bytes32 c) public {
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 4, older);
        p.path = new bytes32[](3);
        (p.path[0], p.path[1], p.path[2]) = (a, b, c);
        bytes32 root = pair(pair(pair(leafOf(0, p.bodyHash), a), b), c);
        p.signature = sig(rightKey, stateDigest(4, root));
        vm.prank(leftAddr);
        dep.startDispute(left, right, p, "", 0, "");
    }

    function test_finalize_afterTheDeadlineByAnyone() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.warp(T0 + WINDOW);
        expectFinalize(IDepositoryTypes.TooEarly.selector, d, older);
        vm.warp(T0 + WINDOW + 1);
        expectFinalize(IDepositoryTypes.BodyMismatch.selector, d, newer);
        finalize(d, older);
        paid(10);
        expectFinalize(IDepositoryTypes.NoDispute.selector, d, older);
    }

    function test_finalize_notEarlyByTheStarter() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.prank(leftAddr);
        expectFinalize(IDepositoryTypes.TooEarly.selector, d, older);
    }

    function test_finalize_earlyByTheNonStarterIsItsAnswer() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.prank(rightAddr);
        finalize(d, older);
        paid(10);
    }

    function test_finalize_earlyByAnyoneAfterTheAnswer() public {
        Codec.Dispute memory d = start(false, 4, older, "");
        vm.prank(leftAddr);
        dep.acceptDispute(left, right, Codec.dispute(d), "", "");
        d = answered(d, 4, older, "");
        eqb(running(), hashOf(d), "hash");
        finalize(d, older);
        paid(10);
    }

    function test_accept_onlyByTheNonStarter() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, right);
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.acceptDispute(left, right, Codec.dispute(d), "", "");
        bytes memory s = sig(leftKey, answerDigest(0, 4, d.bodyHash, ""));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.acceptDispute(left, right, Codec.dispute(d), "", s);
        s = sig(rightKey, answerDigest(0, 4, d.bodyHash, ""));
        dep.acceptDispute(left, right, Codec.dispute(d), "", s);
        d = answered(d, 4, older, "");
        vm.expectRevert(IDepositoryTypes.AlreadyAnswered.selector);
        dep.acceptDispute(left, right, Codec.dispute(d), "", s);
    }

    function test_rule9_answerCountsAtTheDeadline() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 5, newer);
        vm.warp(T0 + WINDOW + 1);
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.DeadlinePassed.selector);
        dep.counterDispute(left, right, Codec.dispute(d), p, "", "");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.DeadlinePassed.selector);
        dep.acceptDispute(left, right, Codec.dispute(d), "", "");
        bytes memory r = sig(rightKey, stateDigest(5, rootOf(0, p.bodyHash)));
        vm.expectRevert(IDepositoryTypes.DeadlinePassed.selector);
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, r);
        vm.warp(T0 + WINDOW);
        d = counter(d, 5, newer, "");
        finalize(d, newer);
        paid(40);
    }

    function test_counter_strictlyNewer() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        for (uint64 nonce; nonce <= 4; ++nonce) {
            IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, nonce, newer);
            vm.prank(rightAddr);
            vm.expectRevert(IDepositoryTypes.NonceNotNewer.selector);
            dep.counterDispute(left, right, Codec.dispute(d), p, "", "");
        }
        d = counter(d, 5, newer, "");
        eqb(running(), hashOf(d), "hash");
        // And again with a still newer one, until the end.
        d = counter(d, 7, older, "");
        finalize(d, older);
        paid(10);
    }

    function test_rule23_starterCannotCounterItself() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        // A state that only the starter signed, shown by the starter or with its signature as answer.
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 9, Codec.one(0, 0));
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, right));
        dep.counterDispute(left, right, Codec.dispute(d), p, "", "");
        bytes memory s = sig(leftKey, answerDigest(0, 9, p.bodyHash, ""));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.counterDispute(left, right, Codec.dispute(d), p, "", s);
        // As "both": right's signature is missing.
        bytes memory both = sig(leftKey, stateDigest(9, rootOf(0, p.bodyHash)));
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, both);
    }

    /// A state that the non-starter alone signed does not counter: the starter has not agreed to it.
    function test_counter_needsTheStartersSignature() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 9, newer);
        vm.prank(rightAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.counterDispute(left, right, Codec.dispute(d), p, "", "");
    }

    function test_counterWithBoth_byAnyoneVoidsTheAnswer() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.prank(rightAddr);
        dep.acceptDispute(left, right, Codec.dispute(d), "", "");
        d = answered(d, 4, older, "");
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 6, newer);
        bytes memory r = sig(rightKey, stateDigest(6, rootOf(0, p.bodyHash)));
        vm.prank(address(0x70e3));
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, r);
        d.nonce = 6;
        d.bodyHash = keccak256(newer);
        d.answered = false;
        d.answeredAt = 0;
        eqb(running(), hashOf(d), "hash");
        expectFinalize(IDepositoryTypes.TooEarly.selector, d, newer);
        // Not with the same or an older one again.
        vm.expectRevert(IDepositoryTypes.NonceNotNewer.selector);
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, r);
        // The non-starter may answer again.
        vm.prank(rightAddr);
        finalize(d, newer);
        paid(40);
    }

    function test_counter_byRelayer() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 5, newer);
        bytes memory s = sig(rightKey, answerDigest(0, 5, p.bodyHash, ""));
        vm.prank(leftAddr);
        dep.counterDispute(left, right, Codec.dispute(d), p, "", s);
        finalize(answered(d, 5, newer, ""), newer);
        paid(40);
    }

    function test_fills_areBoundToTheBody() public {
        bytes memory mine = new bytes(24);
        mine[23] = 0x01;
        bytes memory its = new bytes(48);
        Codec.Dispute memory d = start(true, 4, older, mine);
        // The same body with a higher nonce keeps them.
        d = counter(d, 5, older, its);
        eqb(d.starterFillsHash, keccak256(mine), "kept");
        eqb(running(), hashOf(d), "hash");
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 6, older);
        bytes memory r = sig(rightKey, stateDigest(6, rootOf(0, p.bodyHash)));
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, r);
        d.nonce = 6;
        d.answered = false;
        eqb(running(), hashOf(d), "kept by both, the answer is void");
        // Another body drops all.
        p = proofBy(leftKey, 0, 7, newer);
        r = sig(rightKey, stateDigest(7, rootOf(0, p.bodyHash)));
        dep.counterDisputeWithBoth(left, right, Codec.dispute(d), p, r);
        (d.nonce, d.bodyHash, d.starterFillsHash, d.answererFillsHash, d.answeredAt) = (7, p.bodyHash, 0, 0, 0);
        eqb(running(), hashOf(d), "dropped");
    }

    function test_fills_mustBeThoseGiven() public {
        bytes memory mine = new bytes(24);
        bytes memory its = new bytes(48);
        Codec.Dispute memory d = start(true, 4, older, mine);
        vm.prank(rightAddr);
        dep.acceptDispute(left, right, Codec.dispute(d), its, "");
        d = answered(d, 4, older, its);
        vm.expectRevert(IDepositoryTypes.FillsMismatch.selector);
        dep.finalizeDispute(left, right, Codec.dispute(d), older, "", its);
        vm.expectRevert(IDepositoryTypes.FillsMismatch.selector);
        dep.finalizeDispute(left, right, Codec.dispute(d), older, mine, "");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.FillsMismatch.selector);
        dep.finalizeDispute(left, right, Codec.dispute(d), older, mine, mine);
        dep.finalizeDispute(left, right, Codec.dispute(d), older, mine, its);
        paid(10);
    }

    function test_fills_bounded() public {
        bytes memory many = new bytes(32 * 24 + 1);
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 4, older);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.FillsTooLong.selector);
        dep.startDispute(left, right, p, many, 0, "");
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.FillsTooLong.selector);
        dep.acceptDispute(left, right, Codec.dispute(d), many, "");
        // After the deadline nobody can add any.
        vm.warp(T0 + WINDOW + 1);
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.FillsMismatch.selector);
        dep.finalizeDispute(left, right, Codec.dispute(d), older, "", new bytes(24));
    }

    // The empty state.

    function emptyBody(uint32 a, uint32 b) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(2), a, int128(0), b, int128(0), uint8(0));
    }

    function test_rule29_exitWithoutThePeer() public {
        uint32[] memory list = new uint32[](2);
        list[1] = usd;
        vm.prank(leftAddr);
        dep.startEmptyDispute(left, right, list, 0, "");
        bytes memory body = emptyBody(0, usd);
        Codec.Dispute memory d = disputeOf(0, true, body, "");
        eqb(running(), hashOf(d), "hash");
        vm.warp(T0 + WINDOW + 1);
        finalize(d, body);
        paid(0);
    }

    function test_empty_isOutrankedByAnySignedState() public {
        vm.prank(leftAddr);
        dep.startEmptyDispute(left, right, new uint32[](1), 0, "");
        Codec.Dispute memory d = disputeOf(0, true, Codec.one(0, 0), "");
        d = counter(d, 1, newer, "");
        finalize(d, newer);
        paid(40);
    }

    function test_empty_byRelayerAndBounds() public {
        bytes memory body = Codec.one(0, 0);
        bytes memory s = sig(leftKey, startDigest(0, 0, keccak256(body), "", uint64(T0)));
        dep.startEmptyDispute(left, right, new uint32[](1), uint64(T0), s);
        vm.prank(rightAddr);
        finalize(disputeOf(0, true, body, ""), body);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.MalformedBody.selector);
        dep.startEmptyDispute(left, right, new uint32[](33), 0, "");
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.MalformedBody.selector);
        dep.startEmptyDispute(left, right, new uint32[](2), 0, "");
    }

    // The shown dispute.

    function test_disputeMustBeTheRunningOne() public {
        Codec.Dispute memory d = start(true, 4, older, "");
        vm.expectRevert(IDepositoryTypes.NoDispute.selector);
        dep.finalizeDispute(left, entity(address(type(uint160).max)), Codec.dispute(d), older, "", "");
        d.startedAt -= uint40(WINDOW) + 1;
        expectFinalize(IDepositoryTypes.DisputeMismatch.selector, d, older);
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.DisputeMismatch.selector);
        dep.acceptDispute(left, right, Codec.dispute(d), "", "");
    }

    function test_oldEpochsAreDead() public {
        IDepositoryTypes.StateProof memory old = proofBy(rightKey, 0, 8, older);
        close(Codec.one(0, 0));
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.startDispute(left, right, old, "", 0, "");
        // The answer to an old dispute, too.
        Codec.Dispute memory d = start(true, 2, older, "");
        bytes memory s = sig(rightKey, answerDigest(0, 2, d.bodyHash, ""));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.acceptDispute(left, right, Codec.dispute(d), "", s);
    }

    /// Deposits into collateral stay possible during a dispute and change nothing for the other side.
    function test_depositDuringADispute(uint64 amount) public {
        vm.assume(amount > 0);
        depositEth(leftAddr, amount);
        Codec.Dispute memory d = start(true, 4, older, "");
        fund(leftAddr, 0, amount);
        vm.warp(T0 + WINDOW + 1);
        finalize(d, older);
        eq(reserves(right, 0), 1010, "as if there were none");
        eq(reserves(left, 0), 990 + uint256(amount), "back");
    }

    function test_finalize_malformedBodies() public {
        bytes[6] memory bodies = [
            bytes(""),
            hex"01",
            abi.encodePacked(Codec.one(0, 0), uint8(0)),
            abi.encodePacked(uint8(33), new bytes(33 * 20 + 1)),
            abi.encodePacked(uint8(2), uint32(1), int128(0), uint32(0), int128(0), uint8(0)),
            abi.encodePacked(uint8(1), uint32(0), type(int128).min, uint8(0))
        ];
        Codec.Dispute memory d = start(true, 2, bodies[0], "");
        for (uint256 i; i < bodies.length; ++i) {
            if (i != 0) d = counter(d, uint64(2 + i), bodies[i], "");
            vm.prank(rightAddr);
            expectFinalize(IDepositoryTypes.MalformedBody.selector, d, bodies[i]);
        }
        // There is a way out: a co-signed close.
        close(Codec.one(0, -1));
        paid(1);
    }

    function test_differential_split(uint64 c, int128 offdelta, uint64 l, uint64 r) public {
        vm.assume(offdelta != type(int128).min);
        depositEth(leftAddr, uint256(c) + l + 1);
        depositEth(rightAddr, uint256(r) + 1);
        fund(leftAddr, 0, uint128(c) + 1);
        (uint256 lr, uint256 rr) = (reserves(left, 0), reserves(right, 0));
        (uint128 coll,) = bucket(0);
        bytes memory body = Codec.one(0, offdelta);
        Codec.Dispute memory d = start(true, 4, body, "");
        vm.prank(rightAddr);
        finalize(d, body);
        // The position before and after, debts as claims: left gains delta, right the rest.
        int256 delta = int256(uint256(coll)) + offdelta;
        int256 claim = int256(dep.debtTotal(right, 0)) - int256(dep.debtTotal(left, 0));
        eqi(int256(reserves(left, 0)) + claim, int256(lr) + delta, "left's position");
        eq(reserves(left, 0) + reserves(right, 0), lr + rr + coll, "value");
    }
}
