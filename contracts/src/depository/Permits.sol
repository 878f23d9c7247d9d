// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../interfaces/IDepository.sol";
import {Delegated} from "./Delegated.sol";
import {IToken} from "./IToken.sol";
import {Signatures} from "./Signatures.sol";

/// Deposits that bring their own allowance (ERC-2612).
abstract contract Permits is Signatures, Delegated {
    function depositWithPermit(
        bytes32 entity,
        uint32 token,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external delegated {
        bytes32 caller = _caller();
        if (uint256(caller) >> 160 != 0) revert Unauthorized(caller);
        TokenInfo storage info = _tokens[token];
        if (info.token == address(0)) revert UnknownToken();
        if (info.kind != TokenKind.Erc20) revert WrongTokenKind();
        // Whoever saw the permit may have used it before: what counts is the allowance, which the deposit finds out.
        (bool ignored,) = info.token.call(
            abi.encodeCall(IToken.permit, (address(uint160(uint256(caller))), address(this), amount, deadline, v, r, s))
        );
        ignored;
        _depositAs(caller, abi.encodeCall(IDepository.deposit, (entity, token, amount)));
    }

    /// The deposit by the caller, as an operation of a batch is by the batch's entity.
    function _depositAs(bytes32 caller, bytes memory data) private {
        bytes32 outer = _actor;
        _actor = caller;
        (bool ok, bytes memory reason) = address(this).call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        _actor = outer;
    }
}
