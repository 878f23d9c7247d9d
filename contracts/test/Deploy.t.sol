// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {ISubcontractProvider} from "../src/interfaces/ISubcontractProvider.sol";
import {Base} from "./utils/Base.sol";
import {vm} from "./utils/Vm.sol";

interface IDeploy {
    function run() external returns (address entityProvider, address depository, address subcontractProvider);
    function deploy(uint40 window) external returns (address entityProvider, address depository, address subcontractProvider);
}

/// scripts/test.sh builds the script before.
contract DeployTest is Base {
    function test_deployScript() public {
        IDeploy script = IDeploy(vm.deployCode("out/Deploy.s.sol/Deploy.json"));
        (address e, address d, address s) = script.deploy(7200);
        yes(e.code.length != 0 && s.code.length != 0, "code");
        eq(IDepository(d).disputeWindow(), 7200, "window");
        yes(IDepository(d).entityProvider() == e, "provider");
        eq(IDepository(d).tokenCount(), 1, "ETH");
        ISubcontractProvider(s).reveal(0, new bytes32[](1));
    }

    function test_deployScript_run() public {
        IDeploy script = IDeploy(vm.deployCode("out/Deploy.s.sol/Deploy.json"));
        vm.setEnv("DISPUTE_WINDOW_S", "86400");
        (, address d,) = script.run();
        eq(IDepository(d).disputeWindow(), 86400, "window");
    }
}
