// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {State} from "./State.sol";

/// What is code of the extension runs in the Depository that delegates to it, and changes nothing of its own.
abstract contract Delegated is State {
    address internal immutable _self = address(this);

    modifier delegated() {
        if (address(this) == _self) revert OnlyDelegated();
        _;
    }
}
