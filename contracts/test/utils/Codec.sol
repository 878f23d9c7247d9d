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

    function payments(Payment[] memory list) internal pure returns (bytes memory out) {
        out = abi.encodePacked(uint16(1));
        for (uint256 i; i < list.length; ++i) {
            Payment memory p = list[i];
            uint8 flags = (p.payerIsLeft ? 1 : 0) | (p.kind << 1);
            out = abi.encodePacked(out, flags, p.index, p.amount, p.expiry, p.hash);
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
