// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../../src/interfaces/IDepositoryTypes.sol";
import {Base} from "./Base.sol";
import {Codec} from "./Codec.sol";
import {vm} from "./Vm.sol";

/// Random histories of three entities, their three channels and two tokens. Every action is one that must succeed, or an
/// attack that must not.
contract Handler is Base {
    uint256[3] public keys = [uint256(0xa11ce), 0xb0b, 0xca401];
    bytes32[3] public ids;
    uint32[2] public tokenList;

    struct Ghost {
        uint32 epoch;
        uint32 nonce;
        bool running;
        uint64 shown;
        bool consented;
        Codec.Dispute dispute;
        bytes body;
    }

    mapping(bytes32 => Ghost) internal ghosts;
    mapping(uint256 => mapping(uint256 => uint256)) private seen;
    uint256 public finalized;
    uint256 public now_;

    constructor() {
        setUp();
        now_ = T0;
        tokenList = [uint32(0), usd];
        for (uint256 i; i < 3; ++i) {
            address a = vm.addr(keys[i]);
            ids[i] = entity(a);
            vm.deal(a, 1e30);
            erc20.mint(a, 1e30);
            vm.prank(a);
            erc20.approve(address(dep), type(uint256).max);
        }
    }

    function depository() external view returns (IDepository) {
        return dep;
    }

    function held(uint256 t) public view returns (uint256) {
        return t == 0 ? address(dep).balance : erc20.balanceOf(address(dep));
    }

    function ghost(uint256 c) external returns (Ghost memory) {
        pick(c);
        return ghosts[chKey];
    }

    function hashOfDispute(uint256 c) external returns (bytes32) {
        pick(c);
        return hashOf(ghosts[chKey].dispute);
    }

    function endsOf(uint256 c) public view returns (uint256 l, uint256 r) {
        (l, r) = c % 3 == 0 ? (0, 1) : c % 3 == 1 ? (1, 2) : (0, 2);
        if (ids[l] > ids[r]) (l, r) = (r, l);
    }

    function pick(uint256 c) private {
        (uint256 l, uint256 r) = endsOf(c);
        (leftKey, rightKey) = (keys[l], keys[r]);
        (leftAddr, rightAddr) = (vm.addr(leftKey), vm.addr(rightKey));
        (left, right) = (ids[l], ids[r]);
        chKey = keccak256(abi.encode(left, right));
    }

    /// Whoever did not sign loses nothing, its own older debts excepted.
    modifier only(uint256 a, uint256 b) {
        uint256[2][3] memory was;
        bool[2][3] memory owed;
        for (uint256 i; i < 3; ++i) {
            for (uint256 t; t < 2; ++t) {
                was[i][t] = dep.reserveOf(ids[i], tokenList[t]);
                owed[i][t] = dep.debtTotal(ids[i], tokenList[t]) != 0;
            }
        }
        _;
        for (uint256 i; i < 3; ++i) {
            if (i == a || i == b) continue;
            for (uint256 t; t < 2; ++t) {
                yes(owed[i][t] || dep.reserveOf(ids[i], tokenList[t]) >= was[i][t], "moved without its owner");
            }
        }
    }

    function bound(uint256 x, uint256 max) private pure returns (uint256) {
        return max == 0 ? 0 : x % (max + 1);
    }

    function deposit(uint256 who, uint256 t, uint256 amount) external only(9, 9) {
        (who, t, amount) = (who % 3, t % 2, amount % 1e9 + 1);
        vm.prank(vm.addr(keys[who]));
        if (t == 0) dep.depositEth{value: amount}(ids[who]);
        else dep.deposit(ids[who], usd, amount);
    }

    function clear(uint256 who, uint256 t) private returns (bool) {
        dep.enforceDebts(ids[who], tokenList[t], 1000);
        return dep.debtTotal(ids[who], tokenList[t]) == 0;
    }

    function withdraw(uint256 who, uint256 t, uint256 amount) external only(who % 3, 9) {
        (who, t) = (who % 3, t % 2);
        if (!clear(who, t)) return;
        amount = bound(amount, dep.reserveOf(ids[who], tokenList[t]));
        if (amount == 0) return;
        vm.prank(vm.addr(keys[who]));
        dep.withdraw(tokenList[t], amount, vm.addr(keys[who]));
    }

    function transfer(uint256 who, uint256 to, uint256 t, uint256 amount) external only(who % 3, 9) {
        (who, to, t) = (who % 3, to % 3, t % 2);
        if (!clear(who, t)) return;
        amount = bound(amount, dep.reserveOf(ids[who], tokenList[t]));
        if (amount == 0) return;
        vm.prank(vm.addr(keys[who]));
        dep.reserveToReserve(ids[to], tokenList[t], uint128(amount));
    }

    function lock(uint256 c, bool byLeft, uint256 t, uint256 amount) external {
        pick(c);
        t = t % 2;
        (uint256 l, uint256 r) = endsOf(c);
        uint256 who = byLeft ? l : r;
        if (!clear(who, t)) return;
        amount = bound(amount, dep.reserveOf(ids[who], tokenList[t]));
        if (amount != 0) fund(byLeft ? leftAddr : rightAddr, tokenList[t], uint128(amount));
    }

    function update(uint256 c, uint256 t, int256 a, int256 b, int256 o) external {
        pick(c);
        t = t % 2;
        Ghost storage g = ghosts[chKey];
        if (g.running) return;
        (uint256 l, uint256 r) = endsOf(c);
        uint32 token = tokenList[t];
        bool free = clear(l, t);
        free = clear(r, t) && free;
        if (!free) return;
        (uint128 coll,) = bucket(token);
        int256 x = signed(a, dep.reserveOf(left, token), coll);
        int256 y = signed(b, dep.reserveOf(right, token), x > 0 ? uint256(coll) - uint256(x) : coll);
        settle(Codec.diff(token, int128(x), int128(y), int128(o % 1e9)));
        ++g.nonce;
    }

    /// Between -down and +up.
    function signed(int256 x, uint256 down, uint256 up) private pure returns (int256) {
        return x < 0 ? -int256(bound(uint256(-(x + 1)), down)) : int256(bound(uint256(x), up));
    }

    /// The creditor lets the first open entry of the debtor go, if it is the creditor.
    function forgive(uint256 c, uint256 t, bool debtorIsLeft) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        uint32 token = tokenList[t % 2];
        bytes32 debtor = debtorIsLeft ? left : right;
        (IDepositoryTypes.DebtEntry[] memory e,,) = dep.debtsOf(debtor, token, 0, 3);
        if (g.running || e.length == 0) return;
        IDepositoryTypes.DebtEntry memory last = e[e.length - 1];
        if (last.creditor != (debtorIsLeft ? right : left)) return;
        settle(abi.encodePacked(uint8(0), uint8(1), token, uint8(debtorIsLeft ? 1 : 0), last.index));
        ++g.nonce;
    }

    function enforce(uint256 who, uint256 t, uint256 max) external {
        dep.enforceDebts(ids[who % 3], tokenList[t % 2], max % 4);
    }

    function body(int256 a, int256 b) private view returns (bytes memory) {
        return abi.encodePacked(uint8(2), uint32(0), int128(a % 2e9), usd, int128(b % 2e9), uint8(0));
    }

    function closeTogether(uint256 c, int256 a, int256 b) external {
        pick(c);
        close(body(a, b));
        Ghost storage g = ghosts[chKey];
        ++g.epoch;
        g.running = false;
    }

    function startDispute(uint256 c, bool byLeft, int256 a, int256 b) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        if (g.running) return;
        g.shown = 10;
        g.body = body(a, b);
        g.dispute = start(byLeft, g.shown, g.body, "");
        g.running = true;
    }

    function startEmpty(uint256 c, bool byLeft) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        if (g.running) return;
        uint32[] memory list = new uint32[](2);
        list[1] = usd;
        vm.prank(byLeft ? leftAddr : rightAddr);
        dep.startEmptyDispute(byLeft ? left : right, byLeft ? right : left, list, 0, "");
        g.shown = 0;
        g.body = body(0, 0);
        g.dispute = disputeOf(0, byLeft, g.body, "");
        g.running = true;
    }

    function counterDispute(uint256 c, int256 a, int256 b) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        if (!g.running || now_ > uint256(g.dispute.startedAt) + WINDOW) return;
        g.body = body(a, b);
        ++g.shown;
        g.dispute = counter(g.dispute, g.shown, g.body, "");
    }

    function accept(uint256 c) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        if (!g.running || g.dispute.answered || now_ > uint256(g.dispute.startedAt) + WINDOW) return;
        vm.prank(g.dispute.starterIsLeft ? rightAddr : leftAddr);
        dep.acceptDispute(left, right, Codec.dispute(g.dispute), "", "");
        g.dispute = answered(g.dispute, g.shown, g.body, "");
    }

    /// By a stranger: after the deadline or the answer it must succeed, before that it must not.
    function finalize(uint256 c) external {
        pick(c);
        Ghost storage g = ghosts[chKey];
        bool may = g.running && (g.dispute.answered || now_ > uint256(g.dispute.startedAt) + WINDOW);
        vm.prank(address(0x57a4));
        try dep.finalizeDispute(left, right, Codec.dispute(g.dispute), g.body, "", "") {
            yes(may, "finalized early or twice");
            ++g.epoch;
            ++finalized;
            g.running = false;
        } catch {
            yes(!may, "could not be finalized");
        }
    }

    /// A relayed batch: borrows, moves what it borrowed through a friend's reserve or a channel, and gives it back. What
    /// may be skipped is. Value is conserved whatever happens.
    function batch(uint256 who, uint256 to, uint256 t, uint256 borrowed, uint256 amount) external only(who % 3, 9) {
        (who, to, t) = (who % 3, to % 3, t % 2);
        if (clear(who, t)) _batch(who, to, tokenList[t], uint128(borrowed % 1e9 + 1), amount);
    }

    function _batch(uint256 who, uint256 to, uint32 token, uint128 borrowed, uint256 amount) private {
        uint256 had = dep.reserveOf(ids[who], token);
        amount = bound(amount, had);
        // One more than there is needs what was borrowed, and cannot be given back, unless what the friend owes comes back.
        bool may = to == who || amount < had;
        bool owed = dep.debtTotal(ids[to], token) != 0;
        bytes memory data = batchOps(ids[who], ids[to], token, borrowed, uint128(amount + 1));
        yes(relay(who, data) == may || owed, "borrowed and kept, or refused");
    }

    function relay(uint256 who, bytes memory data) private returns (bool) {
        uint64 nonce = dep.batchNonce(ids[who]);
        bytes memory signature = sig(keys[who], batchDigest(ids[who], nonce, type(uint64).max, data));
        try dep.processBatch(ids[who], type(uint64).max, data, signature) {
            return true;
        } catch {
            return false;
        }
    }

    function batchOps(bytes32 who, bytes32 to, uint32 token, uint128 borrowed, uint128 amount)
        private
        pure
        returns (bytes memory)
    {
        Codec.Op[] memory ops = new Codec.Op[](4);
        ops[0].data = abi.encodeCall(IDepository.flash, (token, borrowed));
        ops[1].data = abi.encodeCall(IDepository.reserveToReserve, (who, token, borrowed));
        ops[2].data = abi.encodeCall(IDepository.reserveToReserve, (to, token, amount));
        ops[2].skip = true;
        ops[3].data = abi.encodeCall(IDepository.enforceDebts, (to, token, 3));
        return Codec.operations(ops);
    }

    /// Signatures of strangers, or of one side for both, move nothing.
    function attackConsent(uint256 c, uint256 how, int256 a, int256 b) external only(9, 9) {
        pick(c);
        bytes memory data = how % 2 == 0 ? Codec.diff(0, int128(a % 1e9), int128(b % 1e9), 0) : body(a, b);
        bytes32 d;
        {
            (uint32 epoch, uint32 nonce) = epochAndNonce();
            d = settlementDigest(how % 2 == 0 ? UPDATE : CLOSE, epoch, nonce, type(uint64).max, data);
        }
        bytes memory l = sig(how % 3 == 0 ? 0xdead : leftKey, d);
        bytes memory r = sig(how % 3 == 1 ? 0xdead : how % 3 == 2 ? leftKey : rightKey, d);
        bool refused;
        if (how % 2 == 0) {
            try dep.cooperativeUpdate(left, right, type(uint64).max, data, l, r) {} catch { refused = true; }
        } else {
            try dep.cooperativeClose(left, right, type(uint64).max, data, l, r) {} catch { refused = true; }
        }
        yes(refused, "without both signatures");
    }

    /// A state that only its shower signed starts and counters nothing.
    function attackDispute(uint256 c, int256 a, int256 b) external only(9, 9) {
        pick(c);
        (uint32 epoch,) = epochAndNonce();
        Ghost storage g = ghosts[chKey];
        bool byLeft = !g.running || g.dispute.starterIsLeft;
        IDepositoryTypes.StateProof memory p = proofBy(byLeft ? leftKey : rightKey, epoch, 100, body(a, b));
        bool refused;
        vm.prank(byLeft ? leftAddr : rightAddr);
        if (g.running) {
            try dep.counterDispute(left, right, Codec.dispute(g.dispute), p, "", "") {} catch { refused = true; }
        } else {
            try dep.startDispute(left, right, p, "", 0, "") {} catch { refused = true; }
        }
        yes(refused, "own signature as the peer's");
    }

    function wait_(uint256 s) external {
        now_ += s % (WINDOW / 2) + 1;
        vm.warp(now_);
    }

    receive() external payable {}
}
