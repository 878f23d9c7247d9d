// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IGovernance} from "../../src/interfaces/IGovernance.sol";
import {OrgBase} from "./OrgBase.sol";
import {vm} from "./Vm.sol";

/// Random histories of one organisation: four holders, one board, votes and changes of the board.
contract GovernanceHandler is OrgBase {
    uint40 private constant VOTING = 2 days;
    uint40 private constant DELAY = 1 days;
    uint40 private constant EXECUTION = 20 days;
    uint256 public constant QUORUM_PPM = 400_001;

    struct Ghost {
        uint256 block_;
        uint256 inFavour;
        uint256 against;
        uint256 ends;
        bool cancelled;
        bool setsBoard;
    }

    bytes32 public org;
    uint256 private now_;
    uint256 private height;
    /// Balances of the holders at the end of each block.
    mapping(uint256 blockNumber => uint256[4]) private balances;
    uint256[4] public current;
    uint256 private first;
    mapping(uint64 proposal => Ghost) private ghosts;
    mapping(uint64 proposal => mapping(uint256 holder => bool)) private voted;
    // The board that is proposed, and when; the one that stands.
    bytes32 public pending;
    uint256 private pendingAt;
    bool private pendingByVote;
    bytes32 public board;
    uint256 private salt;
    uint256 public executed;
    uint256 public activated;

    constructor() {
        setUp();
        (now_, height, first) = (T0, 1000, 1000);
        vm.roll(height);
        current = [uint256(400), 300, 200, 100];
        IGovernance.Holder[] memory h = new IGovernance.Holder[](4);
        for (uint256 i; i < 4; ++i) h[i] = IGovernance.Holder(holder(i), uint128(current[i]), 7);
        board = keccak256(board3());
        IGovernance.Terms memory t = IGovernance.Terms(VOTING, DELAY, EXECUTION, uint32(QUORUM_PPM), 0);
        org = gov.organisation(gov.register(board, t, h));
        next(1);
    }

    function governance() external view returns (IGovernance) {
        return gov;
    }

    function holder(uint256 i) public view returns (bytes32) {
        return account(keys[4 + i]);
    }

    function next(uint256 n) private {
        for (uint256 i; i < n; ++i) balances[height++] = current;
        vm.roll(height);
    }

    function roll_(uint256 n) external {
        next(n % 3 + 1);
    }

    function wait_(uint256 s) external {
        now_ += s % 2 days + 1;
        vm.warp(now_);
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        (from, to) = (from % 4, to % 4);
        if (current[from] == 0) return;
        amount = amount % current[from] + 1;
        vm.prank(vm.addr(keys[4 + from]));
        gov.transferShares(org, IGovernance.Share.Control, holder(to), uint128(amount));
        current[from] -= amount;
        current[to] += amount;
    }

    /// By whoever has a share in the block before, and by nobody else.
    function propose(uint256 who, uint256 kind) external {
        who = who % 4;
        bool may = balances[height - 1][who] != 0;
        IGovernance.Kind k = kind % 3 == 0 ? IGovernance.Kind.Approve : IGovernance.Kind.SetBoard;
        vm.prank(vm.addr(keys[4 + who]));
        try gov.propose(org, k, DISPUTE, keccak256(abi.encode(++salt))) returns (uint64 p) {
            yes(may, "without a share");
            ghosts[p] = Ghost(height - 1, 0, 0, now_ + VOTING, false, k == IGovernance.Kind.SetBoard);
        } catch {
            yes(!may, "refused");
        }
    }

    function vote(uint256 p_, uint256 who, bool inFavour) external {
        who = who % 4;
        uint64 n = gov.proposals();
        if (n == 0) return;
        // The latest are those that still run.
        uint64 p = n - uint64(p_ % (n < 3 ? n : 3));
        Ghost storage g = ghosts[p];
        uint256 power = balances[g.block_][who];
        bool may = power != 0 && !voted[p][who] && now_ <= g.ends && !g.cancelled;
        vm.prank(vm.addr(keys[4 + who]));
        try gov.vote(p, inFavour) {
            yes(may, "voted without the power to");
            voted[p][who] = true;
            if (inFavour) g.inFavour += power;
            else g.against += power;
        } catch {
            yes(!may, "could not vote");
        }
    }

    function cancel(uint256 p_, uint256 who) external {
        uint64 n = gov.proposals();
        if (n == 0) return;
        uint64 p = n - uint64(p_ % (n < 3 ? n : 3));
        vm.prank(vm.addr(keys[4 + who % 4]));
        try gov.cancelProposal(p) {
            yes(now_ <= ghosts[p].ends, "cancelled after the vote");
            ghosts[p].cancelled = true;
        } catch {}
    }

    function majority(uint64 p) public view returns (bool) {
        Ghost storage g = ghosts[p];
        return g.inFavour > g.against && (g.inFavour + g.against) * 1_000_000 >= 1000 * QUORUM_PPM && now_ > g.ends
            && !g.cancelled;
    }

    function execute(uint256 p_) external {
        uint64 n = gov.proposals();
        if (n == 0) return;
        uint64 p = n - uint64(p_ % n);
        (IGovernance.Proposal memory content,) = gov.proposal(p);
        Ghost storage g = ghosts[p];
        bool may = majority(p) && now_ > g.ends + DELAY && now_ <= g.ends + DELAY + EXECUTION && !content.executed
            && g.setsBoard && content.what != board;
        try gov.execute(p) {
            yes(may, "executed without a decision");
            ++executed;
            (pending, pendingAt, pendingByVote) = (content.what, now_, true);
        } catch {
            yes(!may, "could not be executed");
        }
    }

    function proposeBoard(bool cancels) external {
        if (board != keccak256(board3())) return;
        bytes32 b = keccak256(abi.encode("b", ++salt));
        bytes memory call = cancels ? abi.encodeCall(IGovernance.cancelBoard, ()) : abi.encodeCall(IGovernance.proposeBoard, (b));
        bytes memory s = by3(org, governDigest(org, gov.nonceOf(org), type(uint64).max, call));
        bool may = pending == 0 ? !cancels : !pendingByVote;
        try gov.relay(org, type(uint64).max, call, s) {
            yes(may, "against the holders");
            (pending, pendingAt, pendingByVote) = cancels ? (bytes32(0), 0, false) : (b, now_, false);
        } catch {
            yes(!may, "the board's right");
        }
    }

    function activate() external {
        bool may = pending != 0 && now_ >= pendingAt + BOARD_DELAY;
        try gov.activateBoard(org) {
            yes(may, "skipped the delay");
            ++activated;
            (board, pending) = (pending, bytes32(0));
        } catch {
            yes(!may, "could not be activated");
        }
    }

    function pastOf(uint256 back, uint256 who) external view returns (uint256 blockNumber, uint256 amount) {
        blockNumber = height - 1 - back % (height - first);
        amount = balances[blockNumber][who];
    }
}
