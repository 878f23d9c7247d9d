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

    /// What the diffs take from the reserve of one side (0 left, 1 right), written to `list` from `n` on. Returns how many
    /// stand there then.
    function outflows(bytes calldata diffs, uint256 side, IEntityProvider.Outflow[] memory list, uint256 n)
        internal
        pure
        returns (uint256)
    {
        for (uint256 p; p < diffs.length; p += DIFF_ENTRY) {
            int256 diff = diffs.i128(p + 4 + 16 * side);
            // Safe: the negative of an i128.
            if (diff < 0) list[n++] = IEntityProvider.Outflow(diffs.u32(p), uint128(uint256(-diff)));
        }
        return n;
    }
}
