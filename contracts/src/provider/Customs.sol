// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IInstrument} from "../interfaces/IInstrument.sol";
import {Facts} from "./Facts.sol";

/// Instruments of users, ids 256 and above. Registered by anyone; an id once given never changes its code.
/// docs/protocol.md section 8.
abstract contract Customs is Facts {
    error NoCode();
    error UnknownInstrument(uint16 instrument);
    error InstrumentChanged(uint16 instrument);
    /// Not one move for each token.
    error WrongMoves();

    uint16 private constant FIRST_CUSTOM = 256;
    uint256 private constant OBSERVE_GAS = 200_000;

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

    function _code(uint16 id) private view returns (address code) {
        Custom storage custom = _customs[id];
        code = custom.code;
        if (code == address(0)) revert UnknownInstrument(id);
        if (code.codehash != custom.codeHash) revert InstrumentChanged(id);
    }

    function _observeCustom(uint16 id, bytes calldata question) internal view returns (bool yes, uint128 value) {
        (bool ok, uint256 first, uint256 second) =
            _ask(_code(id), abi.encodeCall(IInstrument.observe, (question)), OBSERVE_GAS, 2);
        yes = ok && first == 1 && second <= type(uint128).max;
        // Safe: checked just above where it counts.
        if (yes) value = uint128(second);
    }

    /// What it reverts with, starved or not, is this call's revert; what it answers malformed as well.
    function _settleCustom(uint16 id, bytes calldata terms, uint256 tokens, Context calldata context)
        internal
        view
        returns (int256[] memory moves, uint40 undecidedUntil)
    {
        (moves, undecidedUntil) =
            IInstrument(_code(id)).settle(id, terms, tokens, context.startedAt, context.deadline);
        if (moves.length != tokens) revert WrongMoves();
        if (undecidedUntil > context.deadline) undecidedUntil = context.deadline;
    }
}
