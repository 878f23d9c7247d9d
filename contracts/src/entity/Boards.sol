// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Actors} from "./Actors.sol";

/// Boards of accounts and registered organisations, and revoked delegations. What is replaced or revoked stays valid for
/// channel states during the grace (rule 27), and for nothing else.
abstract contract Boards is Actors {
    uint40 private constant LONGEST = 3650 days;

    struct Pending {
        uint40 activeFrom;
        bool byVote;
        bytes32 boardHash;
    }

    uint40 public immutable grace;
    uint40 public immutable boardDelay;

    mapping(bytes32 entity => bytes32) public boardOf;
    mapping(bytes32 entity => mapping(bytes32 boardHash => uint40)) public boardValidUntil;
    mapping(bytes32 entity => mapping(bytes32 delegation => uint40)) public revokedUntil;
    mapping(bytes32 entity => Pending) private _pending;

    constructor(uint40 grace_, uint40 boardDelay_) {
        if (grace_ > LONGEST || boardDelay_ > LONGEST) revert OutOfRange();
        grace = grace_;
        boardDelay = boardDelay_;
    }

    function _isRegistered(bytes32 entity) internal view virtual returns (bool);

    function _boardStands(bytes32 entity, bytes32 boardHash, bool states) internal view override returns (bool) {
        if (uint8(entity[0]) == 2) return uint248(uint256(boardHash)) == uint248(uint256(entity));
        // No board hashes to zero.
        return boardOf[entity] == boardHash || (states && block.timestamp <= boardValidUntil[entity][boardHash]);
    }

    function _delegationStands(bytes32 entity, bytes32 delegation, uint256 expiry, bool states)
        internal
        view
        override
        returns (bool)
    {
        uint256 revoked = revokedUntil[entity][delegation];
        if (!states) return revoked == 0 && block.timestamp <= expiry;
        return block.timestamp <= expiry + grace && (revoked == 0 || block.timestamp <= revoked);
    }

    /// Safe: a block's time and at most ten years.
    function _after(uint40 period) internal view returns (uint40) {
        return uint40(block.timestamp) + period;
    }

    function _setBoard(bytes32 entity, bytes32 boardHash) internal {
        bytes32 previous = boardOf[entity];
        if (previous == boardHash) revert BoardUnchanged();
        uint40 until;
        if (previous != 0) {
            until = _after(grace);
            boardValidUntil[entity][previous] = until;
        }
        boardOf[entity] = boardHash;
        emit BoardSet(entity, boardHash, previous, until);
    }

    function recordBoard(bytes32 boardHash) external {
        bytes32 actor = _actor();
        if (!_isAccount(actor)) revert NotAnAccount();
        _setBoard(actor, boardHash);
    }

    function proposeBoard(bytes32 boardHash) external {
        bytes32 actor = _actor();
        if (!_isRegistered(actor)) revert UnknownOrganisation();
        _dropPending(actor, false);
        _proposeBoard(actor, boardHash, false);
    }

    function cancelBoard() external {
        if (!_dropPending(_actor(), false)) revert NoPendingBoard();
    }

    function activateBoard(bytes32 entity) external {
        Pending memory pending = _pending[entity];
        if (pending.activeFrom == 0) revert NoPendingBoard();
        if (block.timestamp < pending.activeFrom) revert TooEarly();
        delete _pending[entity];
        _setBoard(entity, pending.boardHash);
    }

    /// Every proposal has the whole delay before it.
    function _proposeBoard(bytes32 entity, bytes32 boardHash, bool byVote) internal {
        if (boardOf[entity] == boardHash) revert BoardUnchanged();
        uint40 activeFrom = _after(boardDelay);
        _pending[entity] = Pending(activeFrom, byVote, boardHash);
        emit BoardProposed(entity, boardHash, activeFrom, byVote);
    }

    /// The board cannot take back what the holders decided, or they could never replace it.
    function _dropPending(bytes32 entity, bool byVote) internal returns (bool dropped) {
        Pending memory pending = _pending[entity];
        if (pending.activeFrom == 0) return false;
        if (pending.byVote && !byVote) revert DecidedByVote();
        delete _pending[entity];
        emit BoardCancelled(entity, pending.boardHash);
        return true;
    }

    function revokeDelegation(bytes32 delegation) external {
        _revoke(_actor(), delegation);
    }

    function revokeDelegationFor(bytes32 entity, bytes32 delegation, bytes calldata signature) external {
        if (!_verify(entity, _revokeDigest(entity, delegation), signature, Permission.Govern)) {
            revert InvalidSignature(entity);
        }
        _revoke(entity, delegation);
    }

    /// The first time counts, for good.
    function _revoke(bytes32 entity, bytes32 delegation) internal {
        if (revokedUntil[entity][delegation] != 0) revert AlreadyRevoked();
        uint40 until = _after(grace);
        revokedUntil[entity][delegation] = until;
        emit DelegationRevoked(entity, delegation, until);
    }

    function pendingBoard(bytes32 entity) external view returns (bytes32 boardHash, uint40 activeFrom, bool byVote) {
        Pending storage pending = _pending[entity];
        return (pending.boardHash, pending.activeFrom, pending.byVote);
    }
}
