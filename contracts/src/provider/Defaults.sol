// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../interfaces/IDepository.sol";
import {BodyCodec} from "../depository/BodyCodec.sol";
import {Reader} from "../lib/Reader.sol";
import {Facts} from "./Facts.sol";

/// Instrument 3, a credit default swap: pays if a reference entity had an open debt on the Depository that settles.
/// docs/protocol.md section 8, docs/encodings.md.
abstract contract Defaults is Facts {
    using BodyCodec for bytes;
    using Reader for bytes;

    uint16 internal constant DEFAULT_SWAP = 3;
    /// `u8 flags || u128 amount || u40 expiry || u40 notBefore || 32-byte reference || u32 debtToken`
    uint256 private constant TERMS = 63;
    /// `depository (20 bytes) || 32-byte entity || u32 token`
    uint256 private constant QUESTION = 56;
    uint256 private constant DEBT_GAS = 100_000;

    /// Is `debtTotal(entity, token)` not 0?
    function _observeDefault(bytes calldata question) internal view returns (bool yes, uint128 value) {
        if (question.length != QUESTION) return (false, 0);
        bytes memory data =
            abi.encodeCall(IDepository.debtTotal, (bytes32(question[20:52]), question.u32(52)));
        (bool ok, uint256 total,) = _ask(question.addr(0), data, DEBT_GAS, 1);
        return (ok && total != 0, 0);
    }

    /// The Depository is the caller of applyBatch: it settles on its own debts alone.
    function _settleDefault(bytes calldata terms, uint256 tokens, Context calldata context)
        internal
        view
        returns (int256 move, uint40 undecidedUntil)
    {
        if (terms.length != TERMS || tokens != 1) revert MalformedTerms();
        uint256 flags = terms.u8(0);
        uint256 amount = terms.u128(1);
        uint256 expiry = terms.u40(17);
        uint256 notBefore = terms.u40(22);
        if (flags > PAYER_IS_LEFT || amount == 0 || amount >= AMOUNT_LIMIT || notBefore > expiry) revert MalformedTerms();
        bytes32 key = keccak256(abi.encodePacked(DEFAULT_SWAP, uint40(notBefore), msg.sender, terms[27:TERMS]));
        bool yes;
        (yes, undecidedUntil) = _counts(key, expiry, context.deadline);
        if (yes) move = _paid(flags, amount);
    }
}
