// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IInstrument} from "./interfaces/IInstrument.sol";
import {Payments} from "./provider/Payments.sol";
import {Swaps} from "./provider/Swaps.sol";
import {BodyCodec} from "./depository/BodyCodec.sol";

/// Executor of instruments, registry of instruments and of secrets. No owner. docs/protocol.md sections 7 and 8.
contract SubcontractProvider is Payments, Swaps {
    using BodyCodec for bytes;

    error NoCode();
    error UnknownInstrument(uint16 instrument);
    error InstrumentChanged(uint16 instrument);

    uint16 private constant PAYMENTS = 1;
    uint16 private constant SWAP = 2;
    uint16 private constant FIRST_CUSTOM = 256;

    struct Custom {
        address code;
        bytes32 codeHash;
    }

    mapping(uint16 id => Custom) private _customs;
    uint16 private _nextCustom = FIRST_CUSTOM;

    function registerInstrument(address code) external returns (uint16 id) {
        if (code.code.length == 0) revert NoCode();
        // Checked: the last id is never given, and ids never wrap.
        id = _nextCustom++;
        _customs[id] = Custom(code, code.codehash);
        emit InstrumentRegistered(id, code);
    }

    function instrument(uint16 id) external view returns (address) {
        return _customs[id].code;
    }

    function applyBatch(
        int256[] calldata deltas,
        uint256[] calldata collaterals,
        bytes calldata batch,
        Context calldata context
    ) external view returns (int256[] memory newDeltas, uint40 pendingUntil) {
        if (batch.length < 2 || deltas.length != collaterals.length) revert MalformedBatch();
        uint16 id = uint16(batch.u16(0));
        newDeltas = deltas;
        if (id == PAYMENTS) {
            // Safe: the greatest of 40-bit expiries.
            pendingUntil = uint40(_applyPayments(newDeltas, batch[2:]));
        } else if (id == SWAP) {
            _applySwap(newDeltas, collaterals, batch[2:], context);
        } else {
            Custom storage custom = _customs[id];
            address code = custom.code;
            if (code == address(0)) revert UnknownInstrument(id);
            if (code.codehash != custom.codeHash) revert InstrumentChanged(id);
            // Payments alone can defer a finalize: what a custom instrument says of it is dropped.
            (newDeltas,) = IInstrument(code).applyBatch(deltas, collaterals, batch, context);
        }
    }
}
