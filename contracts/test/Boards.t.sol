// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

interface IAllow {
    function allow(bytes32 digest, bool yes) external;
    function execute(address to, uint256 value, bytes calldata data) external returns (bytes memory);
}

/// Signatures of boards: one encoding, minimal, nested, acyclic. The reference is what a random tree of signers did.
contract BoardsTest is OrgBase {
    bytes32 private constant D = keccak256("digest");

    // A random tree of signers.

    /// Of a key if it has no children; else a board, of a counterfactual (0), registered (1) or account (2) entity.
    struct Node {
        uint256 key;
        uint256 kind;
        uint256 mask;
        bytes32 id;
        uint256[] children;
        uint32[] weights;
        uint32 threshold;
        bytes board;
    }

    Node[] private nodes;
    uint256 private seed;
    uint256 private steps;
    uint256 private faultAt;
    bool private ok;
    IEntityProvider.Permission private permission;

    function random(uint256 below) private returns (uint256) {
        seed = uint256(keccak256(abi.encode(seed)));
        return seed % below;
    }

    function grow(uint256 depth) private returns (uint256 index) {
        uint256[] memory children;
        uint256 kind = random(3);
        if (depth != 0) {
            children = new uint256[](1 + random(3));
            for (uint256 i; i < children.length; ++i) children[i] = grow(random(depth));
        }
        index = nodes.length;
        nodes.push();
        Node storage node = nodes[index];
        node.key = uint256(keccak256(abi.encode("key", index, seed))) >> 8;
        node.id = account(node.key);
        if (depth == 0) return index;
        // Ascending by id.
        for (uint256 i = 1; i < children.length; ++i) {
            for (uint256 j = i; j > 0 && nodes[children[j - 1]].id > nodes[children[j]].id; --j) {
                (children[j - 1], children[j]) = (children[j], children[j - 1]);
            }
        }
        node.children = children;
        node.kind = kind;
        assemble(node);
    }

    /// Some children sign, the threshold is what they have; the last one of them is needed.
    function assemble(Node storage node) private {
        bytes memory list;
        uint256 mask = 1 + random((1 << node.children.length) - 1);
        uint32 before;
        uint32 sum;
        for (uint256 i; i < node.children.length; ++i) {
            uint32 weight = uint32(1 + random(5));
            node.weights.push(weight);
            if (mask >> i & 1 != 0) (before, sum) = (sum, sum + weight);
            list = abi.encodePacked(list, nodes[node.children[i]].id, weight);
        }
        node.mask = mask;
        node.threshold = before + 1 + uint32(random(sum - before));
        node.board = abi.encodePacked(node.threshold, uint8(node.children.length), list);
        if (node.kind == 0) {
            node.id = counterfactual(node.board);
        } else if (node.kind == 1) {
            node.id = gov.organisation(gov.register(keccak256(node.board), noTerms(), new IGovernance.Holder[](0)));
        } else {
            vm.prank(vm.addr(node.key));
            gov.recordBoard(keccak256(node.board));
        }
    }

    /// Whether something must go wrong here. Whatever does is not valid.
    function fault() private returns (bool) {
        if (++steps != faultAt) return false;
        ok = false;
        return true;
    }

    /// Boards down to the deepest signer.
    function signNode(uint256 index, bytes32 digest, uint256 depth) private returns (bytes memory) {
        Node storage node = nodes[index];
        if (node.children.length == 0) return signKey(node.key, digest);
        if (depth == 4) ok = false;
        if (random(4) != 0) return signBoard(index, digest, depth);
        // By an operator, who may or may not do this.
        uint8 permissions = uint8(1 + random(15));
        if (permissions >> uint8(permission) & 1 == 0) ok = false;
        // To dispute is to consent to states.
        if (uint8(permission) == 1 && permissions & 1 == 0) ok = false;
        uint256 time = T0 - 3 + random(6);
        if (time < T0 && permission != STATES) ok = false;
        bytes memory d = delegation(Deleg(permissions, uint40(time), uint32(random(9)), ""));
        bytes memory byBoard = signBoard(index, delegationDigest(node.id, d), depth);
        if (fault()) digest = keccak256(abi.encode(digest));
        return byOperator(node.id, d, byBoard, digest);
    }

    function signKey(uint256 key, bytes32 digest) private returns (bytes memory s) {
        if (fault()) digest = keccak256(abi.encode(digest));
        s = sig(fault() ? key + 1 : key, digest);
        if (fault()) s = abi.encodePacked(s, uint8(0));
    }

    function signBoard(uint256 index, bytes32 digest, uint256 depth) private returns (bytes memory out) {
        Node storage node = nodes[index];
        bytes32 wrapped = fault() ? digest : approval(fault() ? bytes32(uint256(1)) : node.id, digest);
        uint256 mask = node.mask;
        uint256 dropped = fault() ? highest(mask) : 99;
        uint256 added = fault() ? highest(mask) + 1 : 99;
        out = abi.encodePacked(uint8(fault() ? 3 : 1), fault() ? flat(0, 1, 1) : node.board);
        for (uint256 i; i < node.children.length; ++i) {
            bool signs = i != dropped && (mask >> i & 1 != 0 || i == added);
            out = abi.encodePacked(out, part(signs ? signNode(node.children[i], wrapped, depth + 1) : bytes("")));
        }
        if (added == node.children.length) out = abi.encodePacked(out, part(sig(1, wrapped)));
        if (fault()) out = abi.encodePacked(out, uint8(0));
    }

    function highest(uint256 mask) private pure returns (uint256 bit) {
        while (mask >> (bit + 1) != 0) ++bit;
    }

    function tree(uint256 seed_, bool mayFail) private returns (uint256 root, bytes memory signature) {
        delete nodes;
        (seed, steps, ok) = (seed_, 0, true);
        permission = IEntityProvider.Permission(random(4));
        root = grow(1 + random(5));
        faultAt = mayFail && random(2) == 0 ? 1 + random(12) : 0;
        signature = signNode(root, D, 0);
        if (signature.length > 4096) ok = false;
    }

    /// The contract says what the signers did.
    function test_boards_agreeWithReference(uint256 seed_) public {
        (uint256 root, bytes memory s) = tree(seed_, true);
        yes(valid(nodes[root].id, D, s, permission) == ok, ok ? "valid" : "not valid");
        yes(!valid(nodes[root].id, keccak256("another"), s, permission), "another digest");
    }

    /// One encoding: no bit of a valid signature may flip.
    function test_boards_noBitMayFlip(uint256 seed_, uint256 bit) public {
        (uint256 root, bytes memory s) = tree(seed_, false);
        if (!ok) return;
        bit = bit % (s.length * 8);
        s[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        yes(!valid(nodes[root].id, D, s, permission), "flipped");
    }

    // By name.

    function refuses(bytes memory board, bytes memory signature, string memory what) private view {
        bytes32 who = counterfactual(board);
        yes(!valid(who, D, signature, STATES) && !valid(who, D, signature, WITHDRAW), what);
    }

    function test_board_strict() public view {
        bytes memory b = flat(0, 3, 2);
        bytes32 who = counterfactual(b);
        for (uint256 mask; mask < 8; ++mask) {
            bool want = mask == 3 || mask == 5 || mask == 6;
            yes(valid(who, D, byFlat(who, b, 0, 3, mask, D), STATES) == want, "exactly two");
        }
        bytes memory good = byFlat(who, b, 0, 3, 3, D);
        refuses(b, "", "empty");
        refuses(b, abi.encodePacked(good, uint8(0)), "trailing");
        for (uint256 n = 1; n < good.length; ++n) {
            bytes memory cut = abi.encodePacked(good);
            assembly {
                mstore(cut, n)
            }
            yes(!valid(who, D, cut, STATES), "cut");
        }
        // The right signatures in each other's places.
        bytes32 w = approval(who, D);
        refuses(b, abi.encodePacked(uint8(1), b, part(sig(keys[1], w)), part(sig(keys[0], w)), part("")), "order");
        refuses(b, abi.encodePacked(uint8(1), b, part(sig(keys[0], D)), part(sig(keys[1], D)), part("")), "unwrapped");
    }

    function self(bytes memory b, uint256 from, uint256 n, uint256 mask) private view returns (bytes memory) {
        return byFlat(counterfactual(b), b, from, n, mask, D);
    }

    function test_board_malformed() public view {
        bytes memory b = abi.encodePacked(uint32(1), uint8(0));
        refuses(b, abi.encodePacked(uint8(1), b), "no members");
        b = abi.encodePacked(uint32(0), uint8(0));
        refuses(b, abi.encodePacked(uint8(1), b), "nothing at all");
        b = flat(0, 1, 0);
        refuses(b, self(b, 0, 1, 0), "threshold 0, nobody signs");
        refuses(b, self(b, 0, 1, 1), "threshold 0");
        b = flat(0, 2, 3);
        refuses(b, self(b, 0, 2, 3), "threshold above the sum");
        b = abi.encodePacked(uint32(1), uint8(2), account(keys[0]), uint32(1), account(keys[1]), uint32(0));
        refuses(b, self(b, 0, 2, 1), "weight 0");
        b = abi.encodePacked(uint32(1), uint8(2), account(keys[0]), uint32(1), account(keys[0]), uint32(1));
        refuses(b, abi.encodePacked(self(b, 0, 1, 1), part("")), "twice");
        b = abi.encodePacked(uint32(1), uint8(2), account(keys[1]), uint32(1), account(keys[0]), uint32(1));
        refuses(b, abi.encodePacked(self(b, 1, 1, 1), part("")), "descending");
        // Weights that are no 32-bit sum.
        b = two(account(keys[0]), type(uint32).max, account(keys[1]), type(uint32).max, type(uint32).max);
        yes(valid(counterfactual(b), D, self(b, 0, 2, 1), STATES), "large");
    }

    function many(uint256 n) private pure returns (bytes memory board, bytes memory parts) {
        board = abi.encodePacked(uint32(1), uint8(n), account(0x1000), uint32(1));
        for (uint256 i = 1; i < n; ++i) {
            board = abi.encodePacked(board, bytes32(uint256(2) << 248 | i), uint32(1));
            parts = abi.encodePacked(parts, uint16(0));
        }
        parts = abi.encodePacked(uint8(1), board, part(sig(0x1000, approval(counterfactual(board), D))), parts);
    }

    function test_board_atMost32() public view {
        (bytes memory b, bytes memory s) = many(32);
        yes(valid(counterfactual(b), D, s, STATES), "32");
        (b, s) = many(33);
        refuses(b, s, "33");
    }

    /// Boards of one member each, around a key.
    function chain(uint256 depth) private view returns (bytes32 who, bytes memory signature) {
        bytes32[] memory ids = new bytes32[](depth + 1);
        bytes[] memory boards = new bytes[](depth + 1);
        ids[depth] = account(keys[0]);
        for (uint256 i = depth; i > 0; --i) {
            boards[i - 1] = one(ids[i]);
            ids[i - 1] = counterfactual(boards[i - 1]);
        }
        bytes32 digest = D;
        for (uint256 i; i < depth; ++i) digest = approval(ids[i], digest);
        signature = sig(keys[0], digest);
        for (uint256 i = depth; i > 0; --i) signature = byOne(boards[i - 1], signature);
        return (ids[0], signature);
    }

    function test_board_nestsFourDeep() public view {
        for (uint256 depth; depth < 7; ++depth) {
            (bytes32 who, bytes memory s) = chain(depth);
            yes(valid(who, D, s, STATES) == (depth <= 4), "depth");
        }
    }

    /// Key 0 signs, the other member does not.
    function byA(bytes memory board, bytes32 digest) private view returns (bytes memory) {
        bytes memory by = part(sig(keys[0], digest));
        bool first;
        bytes32 key = account(keys[0]);
        assembly {
            first := eq(mload(add(board, 37)), key)
        }
        return abi.encodePacked(uint8(1), board, first ? by : part(""), first ? part("") : by);
    }

    /// Rule 16: an entity that signs inside its own nesting is refused, not counted.
    function test_rule16_cyclesAreRefused() public {
        // a's board: b or key 0. b's board: a.
        bytes32 a = gov.organisation(gov.organisations() + 1);
        bytes memory boardB = one(a);
        bytes32 b = counterfactual(boardB);
        bytes memory boardA = two(account(keys[0]), 1, b, 1, 1);
        gov.register(keccak256(boardA), noTerms(), new IGovernance.Holder[](0));
        bytes memory s = byA(boardA, approval(a, approval(b, approval(a, D))));
        s = abi.encodePacked(uint8(1), boardA, part(""), part(byOne(boardB, s)));
        yes(!valid(a, D, s, STATES), "a cycle");
        s = byOne(boardB, byA(boardA, approval(a, approval(b, D))));
        yes(valid(b, D, s, STATES), "b by a");
        yes(valid(a, D, byA(boardA, approval(a, D)), STATES), "the listed b does not sign");
        // An account in its own board, even by its key.
        bytes32 me = account(keys[1]);
        vm.prank(vm.addr(keys[1]));
        gov.recordBoard(keccak256(one(me)));
        yes(!valid(me, D, byOne(one(me), sig(keys[1], approval(me, D))), STATES), "itself");
        yes(valid(me, D, sig(keys[1], D), STATES), "its key");
    }

    function test_signature_atMost4096() public view {
        bytes memory limits;
        for (uint32 i; i < 37; ++i) limits = abi.encodePacked(limits, limit(address(dep), i, 1));
        (bytes memory s, bytes32 who) = twoOperators(limits);
        yes(s.length <= 4096 && valid(who, D, s, STATES), "fits");
        limits = abi.encodePacked(limits, limit(address(dep), 37, 1));
        (s, who) = twoOperators(limits);
        yes(s.length > 4096 && !valid(who, D, s, STATES), "too long");
    }

    /// A board of two boards, each of which signs by an operator with these limits.
    function twoOperators(bytes memory limits) private view returns (bytes memory s, bytes32 who) {
        bytes memory d = delegation(Deleg(1, uint40(T0), 0, limits));
        bytes[2] memory inner = [one(account(keys[0])), one(account(keys[1]))];
        bytes32[2] memory ids = [counterfactual(inner[0]), counterfactual(inner[1])];
        uint256[2] memory signers = [keys[0], keys[1]];
        if (ids[0] > ids[1]) {
            (inner[0], inner[1]) = (inner[1], inner[0]);
            (ids[0], ids[1]) = (ids[1], ids[0]);
            (signers[0], signers[1]) = (signers[1], signers[0]);
        }
        bytes memory board = two(ids[0], 1, ids[1], 1, 2);
        who = counterfactual(board);
        s = abi.encodePacked(uint8(1), board);
        for (uint256 i; i < 2; ++i) {
            bytes memory byBoard = byOne(inner[i], sig(signers[i], approval(ids[i], delegationDigest(ids[i], d))));
            s = abi.encodePacked(s, part(byOperator(ids[i], d, byBoard, approval(who, D))));
        }
    }

    // Accounts and their recorded boards.

    function test_account_recordsBoards() public {
        address wallet = vm.deployCode("TestWallet.sol:TestWallet", abi.encode(address(this)));
        bytes32 who = entity(wallet);
        yes(!valid(who, D, by3(who, D), STATES), "none");
        record(wallet, keccak256(board3()), 0, 0);
        for (uint8 p; p < 4; ++p) {
            yes(valid(who, D, by3(who, D), IEntityProvider.Permission(p)), "its board");
            yes(!valid(entity(address(0x77)), D, by3(entity(address(0x77)), D), IEntityProvider.Permission(p)), "another's");
        }
        vm.expectRevert(IGovernance.BoardUnchanged.selector);
        IAllow(wallet).execute(address(gov), 0, abi.encodeCall(IGovernance.recordBoard, (keccak256(board3()))));
        // ERC-1271 stays beside it, for its own actions.
        IAllow(wallet).allow(D, true);
        yes(!valid(who, D, hex"01", STATES) && valid(who, D, hex"01", WITHDRAW), "1271");
        yes(valid(who, D, abi.encodePacked(by3(who, D), uint8(0)), GOVERN), "1271 for what is no board's");
    }

    function record(address wallet, bytes32 boardHash, bytes32 previous, uint256 until) private {
        vm.expectEmit(true, true, true, true);
        emit IEntityProvider.BoardSet(entity(wallet), boardHash, previous, uint40(until));
        IAllow(wallet).execute(address(gov), 0, abi.encodeCall(IGovernance.recordBoard, (boardHash)));
        eqb(gov.boardOf(entity(wallet)), boardHash, "board");
    }

    function only(bytes32 who, bytes memory s, bool states, bool others) private view {
        yes(valid(who, D, s, STATES) == states, "states");
        for (uint8 p = 1; p < 4; ++p) yes(valid(who, D, s, IEntityProvider.Permission(p)) == others, "others");
    }

    /// Rule 27: replaced boards stay valid for states, to the second, several at once; for the rest they end at once.
    function test_rule27_graceOfReplacedBoards() public {
        address wallet = vm.deployCode("TestWallet.sol:TestWallet", abi.encode(address(this)));
        bytes32 who = entity(wallet);
        bytes memory s0 = by3(who, D);
        bytes memory s1 = byFlat(who, flat(3, 2, 1), 3, 2, 1, D);
        bytes memory s2 = byFlat(who, flat(5, 2, 1), 5, 2, 1, D);
        record(wallet, keccak256(board3()), 0, 0);
        only(who, s0, true, true);
        record(wallet, keccak256(flat(3, 2, 1)), keccak256(board3()), T0 + GRACE);
        only(who, s0, true, false);
        only(who, s1, true, true);
        vm.warp(T0 + 100);
        record(wallet, keccak256(flat(5, 2, 1)), keccak256(flat(3, 2, 1)), T0 + 100 + GRACE);
        only(who, s0, true, false);
        only(who, s1, true, false);
        only(who, s2, true, true);
        vm.warp(T0 + GRACE);
        only(who, s0, true, false);
        vm.warp(T0 + GRACE + 1);
        only(who, s0, false, false);
        only(who, s1, true, false);
        vm.warp(T0 + GRACE + 101);
        only(who, s1, false, false);
        // Back to the first: all of it again, and a new grace after it.
        record(wallet, keccak256(board3()), keccak256(flat(5, 2, 1)), T0 + 101 + 2 * GRACE);
        only(who, s0, true, true);
        record(wallet, 0, keccak256(board3()), T0 + 101 + 2 * GRACE);
        only(who, s0, true, false);
        eq(gov.boardValidUntil(who, keccak256(board3())), T0 + 101 + 2 * GRACE, "until");
        yes(!valid(who, D, abi.encodePacked(uint8(1), bytes32(0)), WITHDRAW), "the zero board is none");
    }

    /// A contract in a board answers by ERC-1271, except for states.
    function test_board_contractMembers() public {
        address wallet = vm.deployCode("TestWallet.sol:TestWallet", abi.encode(address(this)));
        bytes memory b = one(entity(wallet));
        bytes32 who = counterfactual(b);
        IAllow(wallet).allow(approval(who, D), true);
        only(who, byOne(b, hex"00"), false, true);
        IAllow(wallet).execute(address(gov), 0, abi.encodeCall(IGovernance.recordBoard, (keccak256(board3()))));
        only(who, byOne(b, by3(entity(wallet), approval(who, D))), true, true);
        // A length of 0 does not sign, whatever the contract says.
        only(who, byOne(b, ""), false, false);
    }

    function test_registered_ids() public {
        bytes32 who = register3();
        bytes32 prefix = bytes32(
            abi.encodePacked(uint8(1), uint64(block.chainid), bytes15(keccak256(abi.encodePacked(address(gov)))), uint64(0))
        );
        eqb(who, prefix | bytes32(uint256(1)), "id");
        only(who, by3(who, D), true, true);
        bytes32[5] memory others = [
            prefix,
            prefix | bytes32(uint256(2)),
            who ^ bytes32(uint256(1) << 184),
            who ^ bytes32(uint256(1) << 64),
            who ^ bytes32(uint256(2) << 248)
        ];
        for (uint256 i; i < others.length; ++i) only(others[i], by3(others[i], D), false, false);
        // A member's approval for one organisation is nothing to another with the same board.
        bytes32 second = register3();
        only(second, by3(who, D), false, false);
        only(second, by3(second, D), true, true);
    }
}
