// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "../interfaces/IDepositoryTypes.sol";
import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {BodyCodec} from "./BodyCodec.sol";

/// The bytes of a co-signed update (docs/encodings.md).
library Updates {
    using BodyCodec for bytes;

    /// Tokens of one subchannel.
    uint256 internal constant MAX_TOKENS = 32;
    /// Debts that one settlement forgives.
    uint256 internal constant MAX_FORGIVEN = 8;
    uint256 internal constant DIFF_ENTRY = 52;
    uint256 internal constant FORGIVEN_ENTRY = 13;

    /// Where the diffs end, which start at 1. What is behind them is as long as it says.
    function check(bytes calldata update) internal pure returns (uint256 end) {
        unchecked {
            uint256 n = update.length == 0 ? type(uint256).max : update.u8(0);
            if (n > MAX_TOKENS) revert IDepositoryTypes.MalformedUpdate();
            end = 1 + n * DIFF_ENTRY;
            uint256 forgiven = update.length > end ? update.u8(end) : type(uint256).max;
            if (forgiven > MAX_FORGIVEN || update.length != end + 1 + forgiven * FORGIVEN_ENTRY) {
                revert IDepositoryTypes.MalformedUpdate();
            }
        }
    }

    /// Entries of `outflows` at most, for an update whose diffs end at `end`.
    function maxOutflows(uint256 end) internal pure returns (uint256) {
        return end / DIFF_ENTRY + 2;
    }

    /// What an update takes from one side (0 left, 1 right), written to `list` from `n` on: of each token the greater of what
    /// its reserve loses, and of what reserve and channel lose together. Returns how many stand there then.
    function outflows(bytes calldata update, uint256 side, IEntityProvider.Outflow[] memory list, uint256 n)
        internal
        pure
        returns (uint256)
    {
        uint256 end = check(update);
        for (uint256 p = 1; p < end; p += DIFF_ENTRY) {
            // Right's reserve, collateral and share lose what left's reserve and ondelta gain. Sums of 128-bit numbers.
            int256 gain = update.i128(p + 4) + update.i128(p + 36);
            int256 loss = side == 0 ? -gain : gain;
            int256 taken = -update.i128(p + 4 + 16 * side);
            if (taken > loss) loss = taken;
            if (loss > int256(uint256(type(uint128).max))) loss = int256(uint256(type(uint128).max));
            // Safe: just bounded.
            if (loss > 0) list[n++] = IEntityProvider.Outflow(update.u32(p), uint128(uint256(loss)));
        }
        for (uint256 p = end + 1; p < update.length; p += FORGIVEN_ENTRY) {
            // Left is the debtor: right forgives.
            if (update.u8(p + 4) == side) return boundless(list, n);
        }
        return n;
    }

    /// What no limit covers, so that a delegation with limits does not sign it: more than 128 bits in all.
    function boundless(IEntityProvider.Outflow[] memory list, uint256 n) internal pure returns (uint256) {
        list[n] = list[n + 1] = IEntityProvider.Outflow(0, type(uint128).max);
        return n + 2;
    }
}
