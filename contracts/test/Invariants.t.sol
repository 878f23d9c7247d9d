// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Handler} from "./utils/Handler.sol";

contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    bool public constant IS_TEST = true;
    Handler private h;
    IDepository private dep;
    uint32[3] private epochs;
    uint32[3] private nonces;

    error Broken(string what, uint256 a, uint256 b);

    function setUp() public {
        h = new Handler();
        dep = h.depository();
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[17] memory all = [
            Handler.deposit.selector, Handler.withdraw.selector, Handler.transfer.selector, Handler.batch.selector, Handler.lock.selector,
            Handler.update.selector, Handler.forgive.selector, Handler.enforce.selector, Handler.closeTogether.selector,
            Handler.startDispute.selector, Handler.startEmpty.selector, Handler.counterDispute.selector,
            Handler.accept.selector, Handler.finalize.selector, Handler.attackConsent.selector,
            Handler.attackDispute.selector, Handler.wait_.selector
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

    /// Value: what is held is reserves and collateral, no more, no less. Debts are not value.
    function invariant_valueIsConserved() public view {
        uint32[] memory tokens = new uint32[](2);
        (tokens[0], tokens[1]) = (h.tokenList(0), h.tokenList(1));
        uint256[2] memory sum;
        for (uint256 i; i < 3; ++i) {
            sum[0] += dep.reserveOf(h.ids(i), tokens[0]);
            sum[1] += dep.reserveOf(h.ids(i), tokens[1]);
            (uint256 l, uint256 r) = h.endsOf(i);
            (uint128[] memory c,) = dep.collaterals(h.ids(l), h.ids(r), tokens);
            sum[0] += c[0];
            sum[1] += c[1];
        }
        for (uint256 t; t < 2; ++t) {
            if (sum[t] != h.held(t)) revert Broken("value", sum[t], h.held(t));
        }
    }

    /// Cursors never strand an entry: the open ones are all between head and tail, and their sum is the total.
    function invariant_debtsAreExact() public {
        for (uint256 i; i < 3; ++i) {
            for (uint256 t; t < 2; ++t) {
                (bytes32 who, uint32 token) = (h.ids(i), h.tokenList(t));
                (IDepositoryTypes.DebtEntry[] memory e, uint64 head, uint64 tail) = dep.debtsOf(who, token, 0, type(uint64).max);
                uint256 sum;
                for (uint256 j; j < e.length; ++j) {
                    sum += e[j].amount;
                    if (e[j].amount == 0 || e[j].index < head || e[j].index >= tail) revert Broken("entry", head, tail);
                    if (j != 0 && e[j].index <= e[j - 1].index) revert Broken("order", e[j].index, j);
                }
                if (sum != dep.debtTotal(who, token)) revert Broken("total", sum, dep.debtTotal(who, token));
                if (e.length == 0 && head != tail) revert Broken("cursors", head, tail);
                (, uint256 open) = dep.enforceDebts(who, token, 0);
                if (open != e.length) revert Broken("count", open, e.length);
            }
        }
    }

    /// The channel is what its history says: epochs by closes, nonces by settlements, a dispute only while one runs.
    function invariant_channelsFollowTheirHistory() public {
        for (uint256 i; i < 3; ++i) {
            (uint256 l, uint256 r) = h.endsOf(i);
            (uint32 epoch, uint32 nonce, bytes32 hash) = dep.channel(h.ids(l), h.ids(r));
            Handler.Ghost memory g = h.ghost(i);
            if (epoch != g.epoch) revert Broken("epoch", epoch, g.epoch);
            if (nonce != g.nonce) revert Broken("nonce", nonce, g.nonce);
            bytes32 want = g.running ? h.hashOfDispute(i) : bytes32(0);
            if (hash != want) revert Broken("dispute", uint256(hash), uint256(want));
            if (epoch < epochs[i] || nonce < nonces[i]) revert Broken("fell", epoch, nonce);
            (epochs[i], nonces[i]) = (epoch, nonce);
        }
    }
}
