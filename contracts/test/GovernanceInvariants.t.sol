// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {GovernanceHandler} from "./utils/GovernanceHandler.sol";

contract GovernanceInvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    bool public constant IS_TEST = true;
    GovernanceHandler private h;
    IGovernance private gov;
    bytes32 private org;

    error Broken(string what, uint256 a, uint256 b);

    function setUp() public {
        h = new GovernanceHandler();
        (gov, org) = (h.governance(), h.org());
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[12] memory all = [
            GovernanceHandler.roll_.selector, GovernanceHandler.wait_.selector, GovernanceHandler.transfer.selector,
            GovernanceHandler.propose.selector, GovernanceHandler.vote.selector, GovernanceHandler.cancel.selector,
            GovernanceHandler.execute.selector, GovernanceHandler.proposeBoard.selector,
            GovernanceHandler.activate.selector, GovernanceHandler.vote.selector, GovernanceHandler.vote.selector,
            GovernanceHandler.execute.selector
        ];
        list = new FuzzSelector[](1);
        list[0].addr = address(h);
        list[0].selectors = new bytes4[](all.length);
        for (uint256 i; i < all.length; ++i) list[0].selectors[i] = all[i];
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(h);
    }

    /// Shares are conserved, and every holder has what its history says.
    function invariant_sharesAreConserved() public view {
        uint256 sum;
        uint256 dividends;
        for (uint256 i; i < 4; ++i) {
            uint256 has = gov.sharesOf(org, IGovernance.Share.Control, h.holder(i));
            if (has != h.current(i)) revert Broken("balance", has, h.current(i));
            sum += has;
            dividends += gov.sharesOf(org, IGovernance.Share.Dividend, h.holder(i));
        }
        if (sum != gov.supply(org, IGovernance.Share.Control)) revert Broken("supply", sum, 1000);
        if (dividends != gov.supply(org, IGovernance.Share.Dividend)) revert Broken("dividends", dividends, 28);
    }

    /// Voting power at a block is the balance that stood when it ended.
    function invariant_powerIsTheCheckpoint() public view {
        for (uint256 back; back < 6; ++back) {
            for (uint256 i; i < 4; ++i) {
                (uint256 number, uint256 want) = h.pastOf(back * back, i);
                uint256 has = gov.sharesAt(org, IGovernance.Share.Control, h.holder(i), uint48(number));
                if (has != want) revert Broken("power", has, want);
            }
        }
    }

    /// Nothing passes without a strict majority and the quorum, counted apart.
    function invariant_majorityDecides() public view {
        for (uint64 p = 1; p <= gov.proposals(); ++p) {
            (, IGovernance.Stage stage) = gov.proposal(p);
            bool passed = stage >= IGovernance.Stage.Waiting && stage <= IGovernance.Stage.Executed;
            if (passed != h.majority(p)) revert Broken("decided", p, uint256(stage));
        }
    }

    /// The board is the one that waited out its delay (the handler checks each step), the pending one what was proposed last.
    function invariant_boardsWaitTheirDelay() public view {
        if (gov.boardOf(org) != h.board()) revert Broken("board", uint256(gov.boardOf(org)), uint256(h.board()));
        (bytes32 pending,,) = gov.pendingBoard(org);
        if (pending != h.pending()) revert Broken("pending", uint256(pending), uint256(h.pending()));
    }
}
