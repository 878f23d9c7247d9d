// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "./IEntityProvider.sol";

/// Boards, delegations, shares and votes: everything of an EntityProvider that a Depository does not ask about.
/// Functions that say "the actor" act for `msg.sender`'s account, or inside `relay` for the entity that signed.
/// docs/protocol.md section 2.
interface IGovernance is IEntityProvider {
    enum Share { Control, Dividend }
    /// SetBoard: `what` is a board hash. Approve: `what` is a digest, for `permission`. CancelBoard: nothing more.
    /// RevokeDelegation: `what` is keccak256 of the delegation's bytes.
    enum Kind { SetBoard, Approve, CancelBoard, RevokeDelegation }
    /// Rejected: not passed once the vote is over. Waiting: passed, the delay runs. Ready: may be executed, an approved
    /// digest counts. Lapsed: passed, and its execution period is over.
    enum Stage { Unknown, Voting, Rejected, Waiting, Ready, Lapsed, Executed, Cancelled }

    /// How an organisation's holders decide; fixed at registration. Periods in seconds, each with one boundary (`<=`): votes
    /// count until `createdAt + votingPeriod`, execution is possible after a further `delay`, for `executionPeriod`.
    /// Shares in parts per million of the control supply: what must be cast for a decision, and what a holder needs for
    /// a proposal (at least 1 share in any case).
    struct Terms { uint40 votingPeriod; uint40 delay; uint40 executionPeriod; uint32 quorumPpm; uint32 proposerPpm; }
    struct Holder { bytes32 holder; uint128 control; uint128 dividend; }
    struct Proposal {
        bytes32 organisation; bytes32 proposer; bytes32 what;
        Kind kind; Permission permission;
        /// Voting power is that at the end of this block, the one before the proposal's.
        uint48 powerBlock; uint40 createdAt;
        bool executed; bool cancelled;
        uint128 inFavour; uint128 against;
    }

    error OutOfRange();
    error InvalidEntity();
    error InvalidSignature(bytes32 entity);
    error Expired();
    error Reentered();
    /// Neither a board nor a holder of control shares: nobody could ever act for it.
    error NobodyDecides();
    error UnknownOrganisation();
    /// Only accounts record a board at once; organisations replace it after the delay.
    error NotAnAccount();
    error BoardUnchanged();
    error NoPendingBoard();
    error TooEarly();
    /// Holders decided on the pending board: the board being replaced cannot stop it.
    error DecidedByVote();
    error AlreadyRevoked();
    error ZeroAmount();
    error NotEnoughShares();
    /// A block's checkpoint is final only when the block is over.
    error BlockNotOver();
    error UnknownProposal();
    /// Channel states are relied on by others: no vote signs them.
    error NeverForStates();
    error NotTheProposer();
    /// The proposal is in a stage in which this cannot be done.
    error WrongStage(Stage stage);
    error AlreadyVoted();
    error NoVotingPower();
    /// An approved digest is answered for, not executed.
    error NothingToExecute();

    event Registered(bytes32 indexed entity, uint64 indexed number, Terms terms, uint128 control, uint128 dividend);
    event BoardProposed(bytes32 indexed entity, bytes32 boardHash, uint40 activeFrom, bool byVote);
    event BoardCancelled(bytes32 indexed entity, bytes32 boardHash);
    /// From zero: given at registration. Balances after it.
    event SharesMoved(bytes32 indexed organisation, Share indexed share, bytes32 from, bytes32 to, uint128 amount, uint128 fromBalance, uint128 toBalance);
    event Proposed(uint64 indexed proposal, bytes32 indexed organisation, Proposal content);
    event Voted(uint64 indexed proposal, bytes32 indexed holder, bool inFavour, uint128 power);
    event ProposalCancelled(uint64 indexed proposal);
    event ProposalExecuted(uint64 indexed proposal);
    event Relayed(bytes32 indexed entity, uint64 nonce);

    /// Carries out `call`, calldata of a function of this contract, for `entity`, by its signature (permission Govern) over
    /// Govern(bytes32 entity,uint64 nonce,uint64 expiry,bytes call). By anyone.
    function relay(bytes32 entity, uint64 expiry, bytes calldata call, bytes calldata signature) external returns (bytes memory);

    /// A new organisation with its first board (zero: none yet, holders decide) and its whole supply of shares.
    function register(bytes32 boardHash, Terms calldata terms, Holder[] calldata holders) external returns (uint64 number);
    /// The actor, an account, has another board at once. Zero: none.
    function recordBoard(bytes32 boardHash) external;
    /// The actor, a registered organisation, will have another board after the delay. Replaces what its board proposed
    /// before, and the delay begins anew.
    function proposeBoard(bytes32 boardHash) external;
    function cancelBoard() external;
    /// By anyone, once the delay is over.
    function activateBoard(bytes32 entity) external;
    /// For good. The actor's.
    function revokeDelegation(bytes32 delegation) external;
    /// The same, by `entity`'s signature over Revoke(bytes32 entity,bytes32 delegation). It has no nonce, so that nobody who may
    /// govern, the operator included, can make it stale; it is for good, so that a replay is nothing.
    function revokeDelegationFor(bytes32 entity, bytes32 delegation, bytes calldata signature) external;

    /// The actor's shares.
    function transferShares(bytes32 organisation, Share share, bytes32 to, uint128 amount) external;

    /// By the organisation itself, or by a holder with enough control shares in the block before.
    function propose(bytes32 organisation, Kind kind, Permission permission, bytes32 what) external returns (uint64 proposal);
    /// The actor's whole power, once.
    function vote(uint64 proposal, bool inFavour) external;
    /// By its proposer: a holder while the vote runs, the organisation until it is executed.
    function cancelProposal(uint64 proposal) external;
    /// By anyone, once passed and after the delay.
    function execute(uint64 proposal) external;

    // Views.
    function boardDelay() external view returns (uint40);
    function boardOf(bytes32 entity) external view returns (bytes32 boardHash);
    /// Last second at which a replaced board is valid for channel states, 0 if it was never replaced.
    function boardValidUntil(bytes32 entity, bytes32 boardHash) external view returns (uint40);
    function pendingBoard(bytes32 entity) external view returns (bytes32 boardHash, uint40 activeFrom, bool byVote);
    /// Last second at which a revoked delegation is valid for channel states, 0 if it was not revoked.
    function revokedUntil(bytes32 entity, bytes32 delegation) external view returns (uint40);
    /// What a delegation took out of the entity's reserve so far.
    function spent(address depository, bytes32 entity, bytes32 delegation, uint32 token) external view returns (uint128);
    function nonceOf(bytes32 entity) external view returns (uint64);
    function organisations() external view returns (uint64 count);
    function organisation(uint64 number) external view returns (bytes32 entity);
    function termsOf(bytes32 organisation) external view returns (Terms memory);
    function supply(bytes32 organisation, Share share) external view returns (uint128);
    function sharesOf(bytes32 organisation, Share share, bytes32 holder) external view returns (uint128);
    /// At the end of a block that is over.
    function sharesAt(bytes32 organisation, Share share, bytes32 holder, uint48 blockNumber) external view returns (uint128);
    function proposals() external view returns (uint64 count);
    function proposal(uint64 number) external view returns (Proposal memory, Stage);
    function hasVoted(uint64 proposal, bytes32 holder) external view returns (bool);
}
