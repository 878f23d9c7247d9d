// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../interfaces/IDepository.sol";
import {IDepositoryTypes} from "../interfaces/IDepositoryTypes.sol";
import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Updates} from "./Updates.sol";

/// What the operations of a batch can take from its entity, before they run.
library Outflows {
    using BodyCodec for bytes;

    uint256 private constant MAX_OUTFLOWS = 256;

    /// Whether anything can flow out, and the amounts: whole, also of operations that may be skipped.
    function total(bytes32 entity, bytes calldata operations)
        internal
        pure
        returns (bool withdraws, IEntityProvider.Outflow[] memory list)
    {
        list = new IEntityProvider.Outflow[](MAX_OUTFLOWS);
        uint256 n;
        for (uint256 pos; pos < operations.length;) {
            uint256 start = pos + 20;
            pos = start + operations.u24(pos + 17);
            if (pos > operations.length || pos < start + 4) revert IDepositoryTypes.MalformedBatch();
            bytes4 selector = bytes4(operations.word(start));
            bytes calldata arguments = operations[start + 4:pos];
            if (selector == IDepository.withdraw.selector) {
                n = _push(list, n, uint256(arguments.word(0)), uint256(arguments.word(32)));
            } else if (selector == IDepository.reserveToReserve.selector) {
                n = _push(list, n, uint256(arguments.word(32)), uint256(arguments.word(64)));
            } else if (selector == IDepository.reserveToCollateral.selector) {
                n = _push(list, n, uint256(arguments.word(0)), _fundingsTotal(_bytes(arguments, 1)));
            } else if (selector == IDepository.deposit.selector || selector == IDepository.depositWithPermit.selector) {
                // The entity's tokens outside; for itself nothing flows out.
                if (arguments.word(0) == entity) continue;
                n = _push(list, n, uint256(arguments.word(32)), uint256(arguments.word(64)));
            } else if (selector == IDepository.cooperativeUpdate.selector) {
                n = _ofUpdate(entity, arguments, list, n);
            } else if (selector == IDepository.cooperativeClose.selector) {
                if (n + 2 > MAX_OUTFLOWS) revert IDepositoryTypes.MalformedBatch();
                n = Updates.boundless(list, n);
            } else if (selector != IDepository.flash.selector) {
                continue;
            }
            withdraws = true;
        }
        assembly ("memory-safe") {
            mstore(list, n)
        }
    }

    function _push(IEntityProvider.Outflow[] memory list, uint256 n, uint256 token, uint256 amount)
        private
        pure
        returns (uint256)
    {
        // The operation itself would refuse such words; here none may be cut.
        if (n == MAX_OUTFLOWS || token > type(uint32).max || amount > type(uint128).max) {
            revert IDepositoryTypes.MalformedBatch();
        }
        list[n] = IEntityProvider.Outflow(uint32(token), uint128(amount));
        return n + 1;
    }

    /// The diffs of the side for which the batch is the signature; another signature is asked for by the update itself.
    function _ofUpdate(bytes32 entity, bytes calldata arguments, IEntityProvider.Outflow[] memory list, uint256 n)
        private
        pure
        returns (uint256)
    {
        bytes calldata update = _bytes(arguments, 3);
        for (uint256 side; side < 2; ++side) {
            if (arguments.word(32 * side) == entity && _bytes(arguments, 4 + side).length == 0) {
                if (n + Updates.maxOutflows(update.length) > MAX_OUTFLOWS) revert IDepositoryTypes.MalformedBatch();
                n = Updates.outflows(update, side, list, n);
            }
        }
        return n;
    }

    function _fundingsTotal(bytes calldata fundings) private pure returns (uint256 sum) {
        uint256 pos;
        while (pos < fundings.length) {
            uint256 head = fundings.u8(pos);
            uint256 id = head & 0x80 == 0 ? 32 : 20;
            pos += 1 + (head & 0x20 == 0 ? id : 0) + (head & 0x40 == 0 ? id : 0);
            uint256 size = head & 0x1f;
            if (size > 16) revert IDepositoryTypes.MalformedFundings();
            sum += uint256(fundings.word(pos)) >> (256 - size * 8);
            pos += size;
        }
        if (pos != fundings.length) revert IDepositoryTypes.MalformedFundings();
    }

    /// A dynamic argument of an ABI-encoded call, exactly where the ABI decoder of the call itself finds it.
    function _bytes(bytes calldata arguments, uint256 index) private pure returns (bytes calldata) {
        uint256 offset = uint256(arguments.word(32 * index));
        if (offset > arguments.length || arguments.length - offset < 32) revert IDepositoryTypes.MalformedBatch();
        uint256 length = uint256(arguments.word(offset));
        offset += 32;
        if (length > arguments.length - offset) revert IDepositoryTypes.MalformedBatch();
        return arguments[offset:offset + length];
    }
}
