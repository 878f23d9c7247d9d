// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Clauses} from "./depository/Clauses.sol";
import {Disputes} from "./depository/Disputes.sol";
import {Signatures} from "./depository/Signatures.sol";

/// Money and disputes. No owner, no upgrade, no pause, no fee. docs/protocol.md, docs/encodings.md.
contract Depository is Disputes {
    constructor(address entityProvider_, uint40 disputeWindow_) Signatures(entityProvider_) Clauses(disputeWindow_) {}
}
