// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Batches} from "./depository/Batches.sol";
import {EmptyStarts} from "./depository/EmptyStarts.sol";
import {Hubs} from "./depository/Hubs.sol";
import {Permits} from "./depository/Permits.sol";
import {State} from "./depository/State.sol";
import {TokenRegistry} from "./depository/TokenRegistry.sol";
import {Views} from "./depository/Views.sol";

/// The part of the Depository's code that is called seldom; made by the Depository, and run by it as its own.
contract DepositoryExtension is TokenRegistry, Views, EmptyStarts, Batches, Hubs, Permits {
    uint256 private immutable CHAIN_ID = block.chainid;
    /// Of the Depository that makes it.
    bytes32 private immutable DOMAIN = _buildDomain(msg.sender);

    constructor(address entityProvider_, uint40 disputeWindow_) State(entityProvider_, disputeWindow_) {}

    function _domain() internal view override returns (bytes32) {
        return block.chainid == CHAIN_ID ? DOMAIN : _buildDomain(address(this));
    }
}
