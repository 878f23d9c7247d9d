// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Encoders of docs/encodings.md, written apart from the contracts' decoders.
library Codec {
    struct Off {
        uint32 token;
        int128 offdelta;
    }

    struct Allow {
        uint8 index;
        uint128 right;
        uint128 left;
    }

    struct Clause {
        address provider;
        Allow[] allowances;
        bytes batch;
    }

    struct Payment {
        bool payerIsLeft;
        uint8 kind;
        uint8 index;
        uint128 amount;
        uint40 expiry;
        bytes32 hash;
    }

    struct Offer {
        bool makerIsLeft;
        uint64 id;
        uint8 giveIndex;
        uint8 wantIndex;
        uint128 give;
        uint128 want;
        uint128 remaining;
        uint128 minFill;
        uint40 expiry;
        uint128 takerLimit;
    }

    struct Diff {
        uint32 token;
        int128 left;
        int128 right;
        int128 ondelta;
    }

    /// `amount` into the channel of `receiver` with `peer`, in favour of `receiver`.
    struct Funding {
        bytes32 receiver;
        bytes32 peer;
        uint128 amount;
    }

    struct Dispute {
        uint64 nonce;
        uint40 startedAt;
        bool starterIsLeft;
        bool answered;
        uint40 answeredAt;
        bytes32 bodyHash;
        bytes32 starterFillsHash;
        bytes32 answererFillsHash;
    }

    function dispute(Dispute memory d) internal pure returns (bytes memory out) {
        uint8 flags = (d.starterIsLeft ? 1 : 0) + (d.answered ? 2 : 0);
        if (d.starterFillsHash != 0) flags += 4;
        if (d.answererFillsHash != 0) flags += 8;
        out = abi.encodePacked(d.nonce, d.startedAt, d.answeredAt, flags, d.bodyHash);
        if (d.starterFillsHash != 0) out = abi.encodePacked(out, d.starterFillsHash);
        if (d.answererFillsHash != 0) out = abi.encodePacked(out, d.answererFillsHash);
    }

    /// With whole ids and amounts.
    function fundings(Funding[] memory list) internal pure returns (bytes memory out) {
        for (uint256 i; i < list.length; ++i) {
            out = abi.encodePacked(out, uint8(16), list[i].receiver, list[i].peer, list[i].amount);
        }
    }

    /// `amount` in favour of the caller, an account, into its channel with another account.
    function funding(address peer, uint128 amount) internal pure returns (bytes memory) {
        uint8 size = sizeOf(amount);
        return abi.encodePacked(uint8(0xa0) | size, peer, cut(amount, size));
    }

    struct Op {
        bool skip;
        uint128 value;
        bytes data;
    }

    function operations(Op[] memory list) internal pure returns (bytes memory out) {
        for (uint256 i; i < list.length; ++i) {
            out = abi.encodePacked(out, list[i].skip, list[i].value, uint24(list[i].data.length), list[i].data);
        }
    }

    function offs(Off[] memory list) internal pure returns (bytes memory out) {
        out = abi.encodePacked(uint8(list.length));
        for (uint256 i; i < list.length; ++i) {
            out = abi.encodePacked(out, list[i].token, list[i].offdelta);
        }
    }

    function body(Off[] memory list, Clause[] memory clauses) internal pure returns (bytes memory out) {
        out = abi.encodePacked(offs(list), uint8(clauses.length));
        for (uint256 i; i < clauses.length; ++i) {
            Clause memory c = clauses[i];
            out = abi.encodePacked(out, c.provider, uint8(c.allowances.length));
            for (uint256 j; j < c.allowances.length; ++j) {
                out = abi.encodePacked(out, c.allowances[j].index, c.allowances[j].right, c.allowances[j].left);
            }
            out = abi.encodePacked(out, uint16(c.batch.length), c.batch);
        }
    }

    function one(uint32 token, int128 offdelta) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), token, offdelta, uint8(0));
    }

    function sizeOf(uint256 value) internal pure returns (uint8 size) {
        while (value >> (8 * size) != 0) ++size;
    }

    function cut(uint256 value, uint8 size) internal pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i; i < size; ++i) out[i] = bytes1(uint8(value >> (8 * (size - 1 - i))));
    }

    function payments(Payment[] memory list) internal pure returns (bytes memory out) {
        out = abi.encodePacked(uint16(1));
        if (list.length == 0) return out;
        uint128 most;
        uint40 first = type(uint40).max;
        uint40 last;
        for (uint256 i; i < list.length; ++i) {
            if (list[i].amount > most) most = list[i].amount;
            if (list[i].expiry < first) first = list[i].expiry;
            if (list[i].expiry > last) last = list[i].expiry;
        }
        (uint8 a, uint8 e) = (sizeOf(most), sizeOf(last - first));
        out = abi.encodePacked(out, (e << 5) | a, first);
        for (uint256 i; i < list.length; ++i) {
            Payment memory p = list[i];
            uint8 head = (p.kind << 7) | (p.payerIsLeft ? 0x20 : 0) | p.index;
            out = abi.encodePacked(out, p.hash, head, cut(p.expiry - first, e), cut(p.amount, a));
        }
    }

    function offer(Offer memory o) internal pure returns (bytes memory) {
        return abi.encodePacked(
            abi.encodePacked(uint16(2), uint8(o.makerIsLeft ? 1 : 0), o.id, o.giveIndex, o.wantIndex, o.give, o.want),
            o.remaining,
            o.minFill,
            o.expiry,
            o.takerLimit
        );
    }

    function diff(uint32 token, int128 left, int128 right, int128 ondelta) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), token, left, right, ondelta, uint8(0));
    }
}
