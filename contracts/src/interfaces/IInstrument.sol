// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "./ISubcontractProvider.sol";

/// A custom instrument (id 256 and above), called by the SubcontractProvider with the whole batch, id included.
/// docs/protocol.md section 8. It must decide by facts that do not depend on the moment of the call; a `pendingUntil`
/// of its own is ignored, since payments alone can defer a finalize.
interface IInstrument {
    function applyBatch(
        int256[] calldata deltas,
        uint256[] calldata collaterals,
        bytes calldata batch,
        ISubcontractProvider.Context calldata context
    ) external view returns (int256[] memory newDeltas, uint40 pendingUntil);
}
