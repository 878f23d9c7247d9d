// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

/// Registered organisations: boards that change after a delay, shares, and votes.
contract GovernanceTest is OrgBase {
    bytes32 private constant D = keccak256("digest");
    IGovernance.Share private constant CONTROL = IGovernance.Share.Control;
    uint40 private constant VOTING = 3 days;
    uint40 private constant DELAY = 1 days;
    uint40 private constant EXECUTION = 5 days;

    /// 100 control shares of keys 3 to 6: 40, 30, 20, 10; a quorum of half, 20 to propose.
    bytes32 private org;
    uint256 private height;

    function setUp() public override {
        super.setUp();
        height = 100;
        vm.roll(height);
        org = found(keccak256(board3()));
        tick();
    }

    function tick() private {
        vm.roll(++height);
    }

    function terms() private pure returns (IGovernance.Terms memory) {
        return IGovernance.Terms(VOTING, DELAY, EXECUTION, 500_000, 200_000);
    }

    function holders() private view returns (IGovernance.Holder[] memory h) {
        h = new IGovernance.Holder[](4);
        for (uint256 i; i < 4; ++i) h[i] = IGovernance.Holder(holder(i), uint128(40 - 10 * i), uint128(i));
    }

    function found(bytes32 boardHash) private returns (bytes32) {
        return gov.organisation(gov.register(boardHash, terms(), holders()));
    }

    function holder(uint256 i) private view returns (bytes32) {
        return account(keys[3 + i]);
    }

    function as_(uint256 i) private {
        vm.prank(vm.addr(keys[3 + i]));
    }

    function propose(uint256 i, IGovernance.Kind kind, bytes32 what) private returns (uint64) {
        as_(i);
        return gov.propose(org, kind, WITHDRAW, what);
    }

    function vote(uint64 p, uint256 i, bool inFavour) private {
        as_(i);
        gov.vote(p, inFavour);
    }

    function stage(uint64 p) private view returns (IGovernance.Stage s) {
        (, s) = gov.proposal(p);
    }

    function at_(uint256 time) private {
        vm.warp(T0 + time);
    }

    function isStage(uint64 p, IGovernance.Stage want, string memory what) private view {
        eq(uint256(stage(p)), uint256(want), what);
    }

    function byVote(uint64 p) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(3), p);
    }

    // Registration.

    function test_register() public {
        bytes32 next = gov.organisation(2);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.Registered(next, 2, terms(), 100, 6);
        vm.expectEmit(true, true, true, true);
        emit IEntityProvider.BoardSet(next, keccak256("b"), 0, 0);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.SharesMoved(next, CONTROL, 0, holder(0), 40, 0, 40);
        eq(gov.register(keccak256("b"), terms(), holders()), 2, "number");
        eq(gov.organisations(), 2, "count");
        eq(gov.supply(next, CONTROL), 100, "control");
        eq(gov.supply(next, IGovernance.Share.Dividend), 6, "dividend");
        eq(gov.sharesOf(next, IGovernance.Share.Dividend, holder(3)), 3, "dividend of one");
        eqb(keccak256(abi.encode(gov.termsOf(next))), keccak256(abi.encode(terms())), "terms");
        eqb(gov.boardOf(next), keccak256("b"), "board");
    }

    function refuse(bytes memory why, IGovernance.Terms memory t, IGovernance.Holder[] memory h, bytes32 boardHash) private {
        vm.expectRevert(why);
        gov.register(boardHash, t, h);
    }

    function test_register_refuses() public {
        IGovernance.Holder[] memory h = holders();
        refuse(err(IGovernance.NobodyDecides.selector), terms(), new IGovernance.Holder[](0), 0);
        bytes memory why = err(IGovernance.OutOfRange.selector);
        refuse(why, IGovernance.Terms(0, 1, 1, 1, 0), h, "b");
        refuse(why, IGovernance.Terms(1, 1, 0, 1, 0), h, "b");
        refuse(why, IGovernance.Terms(1, 1, 1, 0, 0), h, "b");
        refuse(why, IGovernance.Terms(1, 1, 1, 1_000_001, 0), h, "b");
        refuse(why, IGovernance.Terms(1, 1, 1, 1, 1_000_001), h, "b");
        gov.register("b", IGovernance.Terms(1, 0, 1, 1_000_000, 1_000_000), h);
        gov.register(0, terms(), h);
        gov.register("b", noTerms(), new IGovernance.Holder[](0));
        h[0].holder = 0;
        refuse(err(IGovernance.InvalidEntity.selector), terms(), h, "b");
        h[0].holder = bytes32(uint256(1) << 160);
        refuse(err(IGovernance.InvalidEntity.selector), terms(), h, "b");
        h[0].holder = bytes32(uint256(3) << 248);
        refuse(err(IGovernance.InvalidEntity.selector), terms(), h, "b");
        h[0].holder = holder(0);
        h[1].control = type(uint128).max;
        refuse(abi.encodeWithSignature("Panic(uint256)", 0x11), terms(), h, "b");
    }

    // Boards.

    bytes32 private constant B1 = keccak256("board 1");
    bytes32 private constant B2 = keccak256("board 2");

    function proposeBoard(bytes32 b) private {
        relay3(org, abi.encodeCall(IGovernance.proposeBoard, (b)));
    }

    function test_board_changesAfterTheDelay() public {
        vm.expectRevert(IGovernance.NoPendingBoard.selector);
        gov.activateBoard(org);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.BoardProposed(org, B1, uint40(T0 + BOARD_DELAY), false);
        proposeBoard(B1);
        (bytes32 b, uint40 from, bool voted) = gov.pendingBoard(org);
        yes(b == B1 && from == T0 + BOARD_DELAY && !voted, "pending");
        at_(BOARD_DELAY - 1);
        vm.expectRevert(IGovernance.TooEarly.selector);
        gov.activateBoard(org);
        at_(BOARD_DELAY);
        vm.expectEmit(true, true, true, true);
        emit IEntityProvider.BoardSet(org, B1, keccak256(board3()), uint40(T0 + BOARD_DELAY + GRACE));
        gov.activateBoard(org);
        eqb(gov.boardOf(org), B1, "board");
        vm.expectRevert(IGovernance.NoPendingBoard.selector);
        gov.activateBoard(org);
        bytes memory s = by3(org, D);
        yes(valid(org, D, s, STATES) && !valid(org, D, s, GOVERN), "the old one for states only");
        at_(BOARD_DELAY + GRACE);
        yes(valid(org, D, s, STATES), "to the end of the grace");
        at_(BOARD_DELAY + GRACE + 1);
        yes(!valid(org, D, s, STATES), "and no longer");
    }

    function test_board_onlyByTheOrganisation() public {
        vm.expectRevert(IGovernance.UnknownOrganisation.selector);
        gov.proposeBoard(B1);
        bytes32 c = counterfactual(board3());
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (B1));
        bytes memory s = by3(c, governDigest(c, 0, type(uint64).max, call));
        vm.expectRevert(IGovernance.UnknownOrganisation.selector);
        gov.relay(c, type(uint64).max, call, s);
        call = abi.encodeCall(IGovernance.proposeBoard, (keccak256(board3())));
        s = by3(org, governDigest(org, 0, type(uint64).max, call));
        vm.expectRevert(IGovernance.BoardUnchanged.selector);
        gov.relay(org, type(uint64).max, call, s);
    }

    /// Rule 18: whatever was signed or proposed before, a board has the whole delay before it.
    function test_rule18_oldSignaturesSkipNoWindow() public {
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (B1));
        bytes memory s = by3(org, governDigest(org, 0, type(uint64).max, call));
        gov.relay(org, type(uint64).max, call, s);
        at_(BOARD_DELAY);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.BoardCancelled(org, B1);
        relay3(org, abi.encodeCall(IGovernance.cancelBoard, ()));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, org));
        gov.relay(org, type(uint64).max, call, s);
        vm.expectRevert(IGovernance.NoPendingBoard.selector);
        gov.activateBoard(org);
        proposeBoard(B1);
        vm.expectRevert(IGovernance.TooEarly.selector);
        gov.activateBoard(org);
        // Another one, or the same again, begins anew.
        at_(2 * BOARD_DELAY - 1);
        proposeBoard(B2);
        at_(2 * BOARD_DELAY);
        vm.expectRevert(IGovernance.TooEarly.selector);
        gov.activateBoard(org);
        proposeBoard(B2);
        at_(3 * BOARD_DELAY - 1);
        vm.expectRevert(IGovernance.TooEarly.selector);
        gov.activateBoard(org);
        at_(3 * BOARD_DELAY);
        gov.activateBoard(org);
        eqb(gov.boardOf(org), B2, "the last");
    }

    // Shares.

    function test_shares_move() public {
        vm.expectEmit(true, true, true, true);
        emit IGovernance.SharesMoved(org, CONTROL, holder(0), holder(1), 15, 25, 45);
        as_(0);
        gov.transferShares(org, CONTROL, holder(1), 15);
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        as_(0);
        gov.transferShares(org, CONTROL, holder(1), 26);
        vm.expectRevert(IGovernance.ZeroAmount.selector);
        as_(0);
        gov.transferShares(org, CONTROL, holder(1), 0);
        vm.expectRevert(IGovernance.InvalidEntity.selector);
        as_(0);
        gov.transferShares(org, CONTROL, bytes32(uint256(1) << 200), 1);
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        as_(0);
        gov.transferShares(org, IGovernance.Share.Dividend, holder(1), 1);
        as_(1);
        gov.transferShares(org, CONTROL, holder(1), 45);
        eq(gov.sharesOf(org, CONTROL, holder(1)), 45, "to itself");
        as_(1);
        gov.transferShares(org, CONTROL, org, 45);
        relay3(org, abi.encodeCall(IGovernance.transferShares, (org, CONTROL, holder(2), 5)));
        eq(gov.sharesOf(org, CONTROL, org), 40, "an organisation's, by its signature");
        eq(gov.sharesOf(org, CONTROL, holder(2)), 25, "moved");
    }

    /// Against a plain history of balances by block.
    function test_shares_checkpoints(uint8[24] memory steps) public {
        uint256[4][] memory history = new uint256[4][](height + 60);
        uint256 first = height;
        uint256[4] memory now_ = [uint256(40), 30, 20, 10];
        for (uint256 i; i < steps.length; ++i) {
            uint256 s = steps[i];
            (uint256 from, uint256 to, uint256 amount) = (s % 4, s / 4 % 4, s % 7);
            if (amount != 0 && amount <= now_[from]) {
                as_(from);
                gov.transferShares(org, CONTROL, holder(to), uint128(amount));
                now_[from] -= amount;
                now_[to] += amount;
            }
            for (uint256 b = height; b < height + s % 3; ++b) history[b] = [now_[0], now_[1], now_[2], now_[3]];
            height += s % 3;
            vm.roll(height);
        }
        for (uint256 b = first; b < height; ++b) {
            for (uint256 i; i < 4; ++i) eq(gov.sharesAt(org, CONTROL, holder(i), uint48(b)), history[b][i], "at the block");
        }
        eq(gov.sharesAt(org, CONTROL, holder(0), 99), 0, "before it was founded");
        vm.expectRevert(IGovernance.BlockNotOver.selector);
        gov.sharesAt(org, CONTROL, holder(0), uint48(height));
    }

    // Votes.

    function test_propose_needsShares() public {
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        propose(3, IGovernance.Kind.SetBoard, B1);
        propose(2, IGovernance.Kind.SetBoard, B1);
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        gov.propose(org, IGovernance.Kind.SetBoard, WITHDRAW, B1);
        bytes32 unknown = gov.organisation(9);
        vm.expectRevert(IGovernance.UnknownOrganisation.selector);
        gov.propose(unknown, IGovernance.Kind.SetBoard, WITHDRAW, B1);
        vm.expectRevert(IGovernance.NeverForStates.selector);
        as_(0);
        gov.propose(org, IGovernance.Kind.Approve, STATES, D);
        // Without a minimum, nobody without a share still.
        IGovernance.Terms memory t = terms();
        t.proposerPpm = 0;
        org = gov.organisation(gov.register(0, t, holders()));
        tick();
        propose(3, IGovernance.Kind.SetBoard, B1);
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        propose(4, IGovernance.Kind.SetBoard, B1);
    }

    /// What moves in the block of the proposal or later has no other power in it.
    function test_vote_powerOfTheBlockBefore() public {
        as_(0);
        gov.transferShares(org, CONTROL, holder(2), 40);
        vm.expectRevert(IGovernance.NotEnoughShares.selector);
        propose(4, IGovernance.Kind.SetBoard, B1);
        uint64 p = propose(0, IGovernance.Kind.SetBoard, B1);
        tick();
        vote(p, 0, true);
        vote(p, 2, false);
        (IGovernance.Proposal memory content,) = gov.proposal(p);
        eq(content.inFavour, 40, "had 40 then");
        eq(content.against, 20, "had 20 then");
        // Shares that were sent on are not voted twice.
        as_(2);
        gov.transferShares(org, CONTROL, account(keys[7]), 60);
        tick();
        vm.expectRevert(IGovernance.NoVotingPower.selector);
        vote(p, 4, true);
    }

    function test_vote_once() public {
        uint64 p = propose(0, IGovernance.Kind.SetBoard, B1);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.Voted(p, holder(0), true, 40);
        vote(p, 0, true);
        yes(gov.hasVoted(p, holder(0)) && !gov.hasVoted(p, holder(1)), "voted");
        vm.expectRevert(IGovernance.AlreadyVoted.selector);
        vote(p, 0, false);
        vm.expectRevert(IGovernance.UnknownProposal.selector);
        vote(p + 1, 0, true);
        at_(VOTING);
        vote(p, 1, true);
        at_(VOTING + 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Waiting));
        vote(p, 2, true);
    }

    /// Its own shares are nobody's voice.
    function test_vote_notByTheOrganisationItself() public {
        as_(0);
        gov.transferShares(org, CONTROL, org, 40);
        tick();
        uint64 p = propose(1, IGovernance.Kind.SetBoard, B1);
        bytes memory call = abi.encodeCall(IGovernance.vote, (p, true));
        bytes memory s = by3(org, governDigest(org, 0, type(uint64).max, call));
        vm.expectRevert(IGovernance.NoVotingPower.selector);
        gov.relay(org, type(uint64).max, call, s);
    }

    /// Each way of voting of four holders, against counting by hand: rule 17.
    function test_rule17_strictMajorityAndQuorum() public {
        uint256[4] memory weight = [uint256(40), 30, 20, 10];
        for (uint256 ways; ways < 81; ++ways) {
            uint64 p = propose(0, IGovernance.Kind.SetBoard, B1);
            (uint256 inFavour, uint256 against) = (0, 0);
            for (uint256 i; i < 4; ++i) {
                uint256 how = ways / 3 ** i % 3;
                if (how == 0) continue;
                vote(p, i, how == 1);
                if (how == 1) inFavour += weight[i];
                else against += weight[i];
            }
            vm.warp(vm.getBlockTimestamp() + VOTING + 1);
            bool passes = inFavour > against && inFavour + against >= 50;
            isStage(p, passes ? IGovernance.Stage.Waiting : IGovernance.Stage.Rejected, "counted");
        }
    }

    function passed(IGovernance.Kind kind, bytes32 what) private returns (uint64 p) {
        p = propose(0, kind, what);
        vote(p, 0, true);
        vote(p, 1, true);
    }

    function test_stages() public {
        isStage(1, IGovernance.Stage.Unknown, "unknown");
        uint64 p = passed(IGovernance.Kind.SetBoard, B1);
        at_(VOTING);
        isStage(p, IGovernance.Stage.Voting, "voting");
        at_(VOTING + 1);
        isStage(p, IGovernance.Stage.Waiting, "over");
        at_(VOTING + DELAY);
        isStage(p, IGovernance.Stage.Waiting, "waiting");
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Waiting));
        gov.execute(p);
        at_(VOTING + DELAY + 1);
        isStage(p, IGovernance.Stage.Ready, "ready");
        at_(VOTING + DELAY + EXECUTION);
        isStage(p, IGovernance.Stage.Ready, "still");
        at_(VOTING + DELAY + EXECUTION + 1);
        isStage(p, IGovernance.Stage.Lapsed, "lapsed");
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Lapsed));
        gov.execute(p);
        vm.expectRevert(IGovernance.UnknownProposal.selector);
        gov.execute(p + 1);
    }

    function test_execute_once() public {
        uint64 p = passed(IGovernance.Kind.SetBoard, B1);
        at_(VOTING + DELAY + 1);
        gov.execute(p);
        isStage(p, IGovernance.Stage.Executed, "executed");
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Executed));
        gov.execute(p);
    }

    /// Holders replace a board that does not want to go; it has the delay before it all the same.
    function test_vote_replacesTheBoard() public {
        uint64 p = passed(IGovernance.Kind.SetBoard, B1);
        at_(VOTING + DELAY + 1);
        proposeBoard(B2);
        vm.expectEmit(true, true, true, true);
        emit IGovernance.BoardProposed(org, B1, uint40(T0 + VOTING + DELAY + 1 + BOARD_DELAY), true);
        gov.execute(p);
        stuck(abi.encodeCall(IGovernance.cancelBoard, ()));
        stuck(abi.encodeCall(IGovernance.proposeBoard, (B2)));
        at_(VOTING + DELAY + BOARD_DELAY);
        vm.expectRevert(IGovernance.TooEarly.selector);
        gov.activateBoard(org);
        at_(VOTING + DELAY + BOARD_DELAY + 1);
        gov.activateBoard(org);
        eqb(gov.boardOf(org), B1, "replaced");
        yes(valid(org, D, by3(org, D), STATES) && !valid(org, D, by3(org, D), DISPUTE), "grace");
    }

    function stuck(bytes memory call) private {
        bytes memory s = by3(org, governDigest(org, gov.nonceOf(org), type(uint64).max, call));
        vm.expectRevert(IGovernance.DecidedByVote.selector);
        gov.relay(org, type(uint64).max, call, s);
    }

    function test_vote_cancelsAPendingBoard() public {
        uint64 p = passed(IGovernance.Kind.CancelBoard, 0);
        uint64 q = passed(IGovernance.Kind.CancelBoard, 0);
        at_(VOTING + DELAY + 1);
        proposeBoard(B2);
        gov.execute(p);
        (bytes32 b,,) = gov.pendingBoard(org);
        eqb(b, 0, "cancelled");
        vm.expectRevert(IGovernance.NoPendingBoard.selector);
        gov.execute(q);
    }

    function test_vote_revokesADelegation() public {
        bytes memory d = delegation(Deleg(15, uint40(T0 + 365 days), 0, ""));
        bytes memory s = byOperator(org, d, by3(org, delegationDigest(org, d)), D);
        uint64 p = passed(IGovernance.Kind.RevokeDelegation, keccak256(d));
        at_(VOTING + DELAY + 1);
        yes(valid(org, D, s, GOVERN), "before");
        gov.execute(p);
        yes(!valid(org, D, s, GOVERN) && valid(org, D, s, STATES), "revoked, with its grace");
    }

    /// An approved digest, for its permission, its organisation, in its time; never for states.
    function test_vote_approvesADigest() public {
        uint64 p = passed(IGovernance.Kind.Approve, D);
        uint64 other = passed(IGovernance.Kind.SetBoard, D);
        uint64 wrapped = passed(IGovernance.Kind.Approve, approval(counterfactual(one(org)), D));
        yes(!valid(org, D, byVote(p), WITHDRAW), "voting");
        at_(VOTING + DELAY);
        yes(!valid(org, D, byVote(p), WITHDRAW), "waiting");
        at_(VOTING + DELAY + 1);
        for (uint8 i; i < 4; ++i) yes(valid(org, D, byVote(p), IEntityProvider.Permission(i)) == (i == 2), "its permission");
        yes(!valid(org, keccak256("x"), byVote(p), WITHDRAW), "its digest");
        yes(!valid(org, D, byVote(other), WITHDRAW), "its kind");
        yes(!valid(org, D, byVote(99), WITHDRAW), "unknown");
        yes(!valid(org, D, abi.encodePacked(byVote(p), uint8(0)), WITHDRAW), "length");
        yes(!valid(found(keccak256(board3())), D, byVote(p), WITHDRAW), "its organisation");
        IEntityProvider.Outflow[] memory o = new IEntityProvider.Outflow[](1);
        o[0] = IEntityProvider.Outflow(1, 1);
        yes(gov.spend(org, D, byVote(p), o), "a vote has no limits");
        vm.expectRevert(IGovernance.NothingToExecute.selector);
        gov.execute(p);
        // In another's board it stands for a member that approved what is wrapped.
        bytes32 top = counterfactual(one(org));
        yes(!valid(top, D, byOne(one(org), byVote(p)), WITHDRAW), "not wrapped");
        yes(valid(top, D, byOne(one(org), byVote(wrapped)), WITHDRAW), "wrapped");
        yes(!valid(top, D, byOne(one(org), byVote(wrapped)), STATES), "never for states");
        at_(VOTING + DELAY + EXECUTION);
        yes(valid(org, D, byVote(p), WITHDRAW), "to the end");
        at_(VOTING + DELAY + EXECUTION + 1);
        yes(!valid(org, D, byVote(p), WITHDRAW), "lapsed");
    }

    /// An organisation without a board governs itself by votes alone.
    function test_vote_governsWithoutABoard() public {
        org = found(0);
        tick();
        bytes memory call = abi.encodeCall(IGovernance.proposeBoard, (B1));
        bytes32 digest = governDigest(org, 0, type(uint64).max, call);
        as_(0);
        uint64 p = gov.propose(org, IGovernance.Kind.Approve, GOVERN, digest);
        vote(p, 0, true);
        vote(p, 1, true);
        at_(VOTING + DELAY + 1);
        gov.relay(org, type(uint64).max, call, byVote(p));
        (bytes32 b,,) = gov.pendingBoard(org);
        eqb(b, B1, "proposed");
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, org));
        gov.relay(org, type(uint64).max, call, byVote(p));
    }

    /// The board proposes, too, and takes its own back until it is executed; a holder while the vote runs.
    function test_cancel() public {
        relay3(org, abi.encodeCall(IGovernance.propose, (org, IGovernance.Kind.Approve, WITHDRAW, D)));
        uint64 p = gov.proposals();
        vote(p, 0, true);
        vote(p, 1, true);
        vm.expectRevert(IGovernance.NotTheProposer.selector);
        as_(0);
        gov.cancelProposal(p);
        uint64 q = passed(IGovernance.Kind.SetBoard, B1);
        uint64 r = passed(IGovernance.Kind.SetBoard, B1);
        bytes memory call = abi.encodeCall(IGovernance.cancelProposal, (q));
        bytes memory s = by3(org, governDigest(org, 1, type(uint64).max, call));
        vm.expectRevert(IGovernance.NotTheProposer.selector);
        gov.relay(org, type(uint64).max, call, s);
        as_(0);
        gov.cancelProposal(r);
        isStage(r, IGovernance.Stage.Cancelled, "while it runs");
        at_(VOTING + DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Ready));
        as_(0);
        gov.cancelProposal(q);
        yes(valid(org, D, byVote(p), WITHDRAW), "ready");
        vm.expectEmit(true, true, true, true);
        emit IGovernance.ProposalCancelled(p);
        relay3(org, abi.encodeCall(IGovernance.cancelProposal, (p)));
        yes(!valid(org, D, byVote(p), WITHDRAW), "cancelled");
        vm.expectRevert(IGovernance.UnknownProposal.selector);
        gov.cancelProposal(99);
        call = abi.encodeCall(IGovernance.cancelProposal, (p));
        s = by3(org, governDigest(org, 2, type(uint64).max, call));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.WrongStage.selector, IGovernance.Stage.Cancelled));
        gov.relay(org, type(uint64).max, call, s);
    }

    /// An organisation holds shares of another and votes by its board.
    function test_vote_byAnOrganisation() public {
        bytes32 parent = register3();
        as_(0);
        gov.transferShares(org, CONTROL, parent, 40);
        tick();
        relay3(parent, abi.encodeCall(IGovernance.propose, (org, IGovernance.Kind.SetBoard, STATES, B1)));
        uint64 p = gov.proposals();
        relay3(parent, abi.encodeCall(IGovernance.vote, (p, true)));
        (IGovernance.Proposal memory content,) = gov.proposal(p);
        yes(content.inFavour == 40 && content.proposer == parent, "by its signature");
    }
}
