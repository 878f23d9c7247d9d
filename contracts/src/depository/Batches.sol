// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../interfaces/IDepository.sol";
import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Delegated} from "./Delegated.sol";
import {Eip712} from "./Eip712.sol";
import {Outflows} from "./Outflows.sol";
import {Reserves} from "./Reserves.sol";

/// Many operations of one entity in one transaction: calls of the Depository to itself, for which `_caller()` is the entity.
abstract contract Batches is Reserves, Eip712, Delegated {
    using BodyCodec for bytes;

    uint256 private constant MAX_OPERATIONS = 256;
    /// u8 flags, u128 value, u24 length.
    uint256 private constant OPERATION_HEAD = 20;
    /// What an operation that may be skipped has at least, so that no relayer makes it fail by giving too little gas:
    /// 1,000,000 after the 63/64 rule, and the call's own price.
    /// What an operation that may be skipped gets at most, so that no receiver can burn the gas of those behind it.
    uint256 private constant SKIPPABLE_GAS = 1_000_000;
    uint256 private constant GAS_BEFORE_SKIPPABLE = 1_040_000;

    function processBatch(bytes32 entity, uint64 expiry, bytes calldata operations, bytes calldata signature)
        external
        payable
        delegated
    {
        uint256 gasBefore = gasleft();
        if (_actor != 0) revert Reentered();
        if (!_isCaller(entity, signature)) _authorise(entity, expiry, operations, signature);
        _actor = entity;
        (uint256 count, uint256 skipped) = _run(entity, operations);
        _repay(entity);
        _actor = 0;
        Actor storage actor = _actors[entity];
        emit BatchProcessed(entity, actor.nonce, count, skipped);
        // Safe: 160 bits of gas.
        if (actor.hub != 0) actor.gasUsed += uint160(gasBefore - gasleft());
    }

    /// Uses a nonce. A key speaks for the whole batch; of anyone else is asked what the operations take.
    function _authorise(bytes32 entity, uint64 expiry, bytes calldata operations, bytes calldata signature) private {
        _checkEntity(entity);
        if (block.timestamp > expiry) revert Expired();
        bytes32 digest = _batchDigest(entity, _actors[entity].nonce++, expiry, operations);
        if (_signedByKey(entity, digest, signature)) return;
        (bool withdraws, IEntityProvider.Outflow[] memory outflows) = Outflows.total(entity, operations);
        if (withdraws) _requireSpend(entity, digest, signature, outflows);
        else _requireSignature(entity, digest, signature, IEntityProvider.Permission.Dispute);
    }

    function _run(bytes32 entity, bytes calldata operations) private returns (uint256 count, uint256 skipped) {
        uint256 pos;
        uint256 total;
        for (; pos < operations.length; ++count) {
            uint256 flags = operations.u8(pos);
            uint256 value = operations.u128(pos + 1);
            uint256 start = pos + OPERATION_HEAD;
            pos = start + operations.u24(pos + 17);
            if (
                count == MAX_OPERATIONS || flags > 1 || (flags == 1 && value != 0) || pos < start + 4
                    || pos > operations.length
            ) revert MalformedBatch();
            total += value;
            if (total > msg.value) revert WrongValue();
            if (flags == 1 && gasleft() < GAS_BEFORE_SKIPPABLE) revert NotEnoughGas();
            bytes memory reason = _call(flags == 1 ? SKIPPABLE_GAS : gasleft(), value, operations[start:pos]);
            if (reason.length == 0) continue;
            // Safe: a mere word of it is read.
            bytes4 selector = bytes4(reason);
            if (flags == 0 || !_mayBeSkipped(selector)) revert OperationFailed(count, reason);
            ++skipped;
            emit OperationSkipped(entity, count, selector);
        }
        if (total != msg.value) revert WrongValue();
    }

    /// Empty if it succeeded. A failure without a reason, such as out of gas, is one of a zero word.
    function _call(uint256 gas_, uint256 value, bytes calldata data) private returns (bytes memory reason) {
        bool ok;
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, data.offset, data.length)
            ok := call(gas_, address(), value, p, data.length, 0, 0)
        }
        if (ok) return reason;
        assembly ("memory-safe") {
            reason := mload(0x40)
            let size := returndatasize()
            returndatacopy(add(reason, 0x20), 0, size)
            if iszero(size) {
                mstore(add(reason, 0x20), 0)
                size := 0x20
            }
            mstore(reason, size)
            mstore(0x40, add(add(reason, 0x40), and(add(size, 31), not(31))))
        }
    }

    /// What others than the entity can bring about between its signature and the batch.
    function _mayBeSkipped(bytes4 reason) private pure returns (bool) {
        return reason == TransferFailed.selector || reason == InsufficientReserve.selector
            || reason == InsufficientCollateral.selector || reason == DebtsOutstanding.selector
            || reason == InvalidSignature.selector || reason == Expired.selector || reason == DisputeRunning.selector
            || reason == NoDispute.selector || reason == DisputeMismatch.selector || reason == NonceNotNewer.selector
            || reason == AlreadyAnswered.selector || reason == DeadlinePassed.selector || reason == TooEarly.selector
            || reason == PaymentPending.selector;
    }

    /// Credit within a batch: nothing of that token leaves the Depository until it is given back.
    function flash(uint32 token, uint128 amount) external delegated {
        if (msg.sender != address(this)) revert OnlyInBatch();
        if (amount == 0) revert ZeroAmount();
        if (token >= _tokenCount) revert UnknownToken();
        uint256 open = _flashed(token);
        if (open == 0) _setFlashToken(_flashCount++, token);
        _setFlashed(token, open + amount);
        _credit(_actor, token, amount);
    }

    /// As every outflow: older debts first, and refused while any remain.
    function _repay(bytes32 entity) private {
        uint256 count = _flashCount;
        if (count == 0) return;
        for (uint256 i; i < count; ++i) {
            uint32 token = _flashToken(i);
            uint256 amount = _flashed(token);
            _setFlashed(token, 0);
            _debit(entity, token, amount);
        }
        _flashCount = 0;
    }

    function batchNonce(bytes32 entity) external view returns (uint64) {
        return _actors[entity].nonce;
    }
}
