// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {DepositoryExtension} from "./DepositoryExtension.sol";
import {Disputes} from "./depository/Disputes.sol";
import {State} from "./depository/State.sol";
import {IEntityProvider} from "./interfaces/IEntityProvider.sol";

/// Money and disputes: IDepository. No owner, no upgrade, no pause, no fee. docs/protocol.md, docs/encodings.md.
/// What is called often is here; the rest is code of the extension, which it makes itself and runs as its own.
contract Depository is Disputes {
    /// What a grace leaves beyond twice the window, in seconds; GRACE_MARGIN_S of nodes.
    uint256 private constant GRACE_MARGIN = 3600;

    uint256 private immutable CHAIN_ID = block.chainid;
    bytes32 private immutable DOMAIN = _buildDomain(address(this));
    address private immutable EXTENSION;

    constructor(address entityProvider_, uint40 disputeWindow_) State(entityProvider_, disputeWindow_) {
        uint40 grace = IEntityProvider(entityProvider_).grace();
        if (grace < 2 * uint256(disputeWindow_) + GRACE_MARGIN) revert GraceTooShort(grace);
        EXTENSION = address(new DepositoryExtension(entityProvider_, disputeWindow_));
    }

    function _domain() internal view override returns (bytes32) {
        return block.chainid == CHAIN_ID ? DOMAIN : _buildDomain(address(this));
    }

    fallback() external payable {
        address target = EXTENSION;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
