// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

/// What the one question of a Depository costs, without the transaction around it.
contract SignersGasTest is OrgBase {
    bytes32 private constant D = keccak256("digest");

    function ask(bytes32 who, bytes memory s, string memory name) private {
        yes(valid(who, D, s, STATES), name);
        vm.snapshotGasLastCall("signers", name);
    }

    function test_gas_signers() public {
        ask(account(keys[0]), sig(keys[0], D), "key");
        bytes memory b = flat(0, 5, 3);
        bytes32 who = counterfactual(b);
        ask(who, byFlat(who, b, 0, 5, 7, D), "board of 5, 3 sign, counterfactual");
        bytes memory d = delegation(Deleg(15, uint40(T0), 0, ""));
        bytes memory byBoard = byFlat(who, b, 0, 5, 7, delegationDigest(who, d));
        ask(who, byOperator(who, d, byBoard, D), "operator of a board of 5, 3 sign, counterfactual");
        vm.prank(vm.addr(keys[7]));
        gov.recordBoard(keccak256(b));
        who = account(keys[7]);
        ask(who, byFlat(who, b, 0, 5, 7, D), "board of 5, 3 sign, recorded by an account");
    }

    /// The largest that fits in 4,096 bytes: 32 members, all of whom sign.
    function test_gas_largestBoard() public {
        uint256[] memory all = new uint256[](32);
        for (uint256 i; i < 32; ++i) {
            all[i] = 0x2000 + i;
            for (uint256 j = i; j > 0 && vm.addr(all[j - 1]) > vm.addr(all[j]); --j) (all[j - 1], all[j]) = (all[j], all[j - 1]);
        }
        bytes memory b = abi.encodePacked(uint32(32), uint8(32));
        for (uint256 i; i < 32; ++i) b = abi.encodePacked(b, account(all[i]), uint32(1));
        bytes32 who = counterfactual(b);
        bytes memory s = abi.encodePacked(uint8(1), b);
        for (uint256 i; i < 32; ++i) s = abi.encodePacked(s, part(sig(all[i], approval(who, D))));
        ask(who, s, "board of 32, all sign");
    }
}
