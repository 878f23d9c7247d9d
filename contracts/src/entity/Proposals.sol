// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Shares} from "./Shares.sol";

/// Votes of the holders of control shares. Power is that of the block before the proposal; it passes with a strict majority
/// of what was cast (a tie fails, and so does an empty vote) and a quorum of the supply, and counts after a delay, for a while.
abstract contract Proposals is Shares {
    uint256 private constant PPM = 1_000_000;

    uint64 public proposals;
    mapping(uint64 number => Proposal) private _proposals;
    mapping(uint64 number => mapping(bytes32 holder => bool)) public hasVoted;

    function propose(bytes32 entity, Kind kind, Permission permission, bytes32 what) external returns (uint64 number) {
        if (!_isRegistered(entity)) revert UnknownOrganisation();
        if (kind == Kind.Approve && permission == Permission.States) revert NeverForStates();
        bytes32 actor = _actor();
        // Safe: no chain has 2^48 blocks. What moves in this block has no power in it.
        uint48 powerBlock = uint48(block.number) - 1;
        if (actor != entity) {
            uint256 power = sharesAt(entity, Share.Control, actor, powerBlock);
            uint256 needed = uint256(supply[entity][Share.Control]) * termsOf(entity).proposerPpm;
            if (power == 0 || power * PPM < needed) revert NotEnoughShares();
        }
        number = ++proposals;
        Proposal storage made = _proposals[number];
        (made.organisation, made.proposer, made.what) = (entity, actor, what);
        (made.kind, made.permission) = (kind, permission);
        (made.powerBlock, made.createdAt) = (powerBlock, uint40(block.timestamp));
        emit Proposed(number, entity, made);
    }

    function vote(uint64 number, bool inFavour) external {
        Proposal storage asked = _known(number);
        _require(asked, Stage.Voting);
        bytes32 actor = _actor();
        // Its own shares are nobody's voice.
        if (actor == asked.organisation) revert NoVotingPower();
        if (hasVoted[number][actor]) revert AlreadyVoted();
        uint128 power = sharesAt(asked.organisation, Share.Control, actor, asked.powerBlock);
        if (power == 0) revert NoVotingPower();
        hasVoted[number][actor] = true;
        if (inFavour) asked.inFavour += power;
        else asked.against += power;
        emit Voted(number, actor, inFavour, power);
    }

    function cancelProposal(uint64 number) external {
        Proposal storage asked = _known(number);
        bytes32 actor = _actor();
        if (actor != asked.proposer) revert NotTheProposer();
        Stage stage = _stage(asked);
        // A holder alone cannot undo what the vote decided.
        bool board = actor == asked.organisation;
        if (stage != Stage.Voting && !(board && (stage == Stage.Waiting || stage == Stage.Ready))) revert WrongStage(stage);
        asked.cancelled = true;
        emit ProposalCancelled(number);
    }

    function execute(uint64 number) external {
        Proposal storage asked = _known(number);
        _require(asked, Stage.Ready);
        if (asked.kind == Kind.Approve) revert NothingToExecute();
        asked.executed = true;
        emit ProposalExecuted(number);
        bytes32 entity = asked.organisation;
        if (asked.kind == Kind.RevokeDelegation) {
            _revoke(entity, asked.what);
        } else {
            bool dropped = _dropPending(entity, true);
            if (asked.kind == Kind.SetBoard) _proposeBoard(entity, asked.what, true);
            else if (!dropped) revert NoPendingBoard();
        }
    }

    /// An approved digest, and no other, for the permission that was asked for.
    function _voteStands(bytes32 entity, uint64 number, bytes32 digest, Permission permission)
        internal
        view
        override
        returns (bool)
    {
        Proposal storage asked = _proposals[number];
        return asked.organisation == entity && asked.kind == Kind.Approve && asked.permission == permission
            && asked.what == digest && _stage(asked) == Stage.Ready;
    }

    function _known(uint64 number) private view returns (Proposal storage asked) {
        asked = _proposals[number];
        if (asked.createdAt == 0) revert UnknownProposal();
    }

    function _require(Proposal storage asked, Stage wanted) private view {
        Stage stage = _stage(asked);
        if (stage != wanted) revert WrongStage(stage);
    }

    function _stage(Proposal storage asked) private view returns (Stage) {
        if (asked.createdAt == 0) return Stage.Unknown;
        if (asked.cancelled) return Stage.Cancelled;
        if (asked.executed) return Stage.Executed;
        Terms memory terms = termsOf(asked.organisation);
        uint256 end = uint256(asked.createdAt) + terms.votingPeriod;
        if (block.timestamp <= end) return Stage.Voting;
        uint256 cast = uint256(asked.inFavour) + asked.against;
        uint256 quorum = uint256(supply[asked.organisation][Share.Control]) * terms.quorumPpm;
        if (asked.inFavour <= asked.against || cast * PPM < quorum) return Stage.Rejected;
        end += terms.delay;
        if (block.timestamp <= end) return Stage.Waiting;
        return block.timestamp <= end + terms.executionPeriod ? Stage.Ready : Stage.Lapsed;
    }

    function proposal(uint64 number) external view returns (Proposal memory, Stage) {
        return (_proposals[number], _stage(_proposals[number]));
    }
}
