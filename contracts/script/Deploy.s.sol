// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Depository} from "../src/Depository.sol";
import {EntityProvider} from "../src/EntityProvider.sol";
import {SubcontractProvider} from "../src/SubcontractProvider.sol";

interface ScriptVm {
    function startBroadcast() external;
    function stopBroadcast() external;
    function envUint(string calldata name) external view returns (uint256);
}

/// DISPUTE_WINDOW_S=86400 forge script script/Deploy.s.sol --rpc-url URL --broadcast (and a signer of your choice).
/// The window is part of what both sides of every channel rely on: at least twice what a node promises to survive.
contract Deploy {
    bool public constant IS_SCRIPT = true;
    /// What the grace of replaced boards has beyond twice the window.
    uint40 private constant MARGIN_S = 3600;
    ScriptVm private constant VM = ScriptVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (address entityProvider, address depository, address subcontractProvider) {
        uint256 window = VM.envUint("DISPUTE_WINDOW_S");
        require(window != 0 && window <= 1825 days - 1 hours, "DISPUTE_WINDOW_S");
        VM.startBroadcast();
        (entityProvider, depository, subcontractProvider) = deploy(uint40(window));
        VM.stopBroadcast();
    }

    function deploy(uint40 window) public returns (address entityProvider, address depository, address subcontractProvider) {
        entityProvider = address(new EntityProvider(2 * window + MARGIN_S, 2 * window));
        depository = address(new Depository(entityProvider, window));
        subcontractProvider = address(new SubcontractProvider());
    }
}
