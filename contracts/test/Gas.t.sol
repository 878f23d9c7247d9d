// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

/// Whole transactions, intrinsic gas and calldata included (profile default runs isolated). The figures and their bounds
/// are in the README. "existing": the channel settled or closed once, reserves are nonzero.
contract GasTest is Base {
    uint128 private constant USD5 = 5_000_000;

    function snap(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("gas", name);
    }

    function existing() private {
        depositEth(leftAddr, 100 ether);
        depositEth(rightAddr, 100 ether);
        fund(leftAddr, 0, 10 ether);
        settle(Codec.diff(0, 1 ether, 1 ether, 0));
    }

    /// Left's own, into channels with other accounts: the shortest form.
    function fundings(uint256 n, uint160 salt) private pure returns (bytes memory f) {
        for (uint256 i; i < n; ++i) {
            f = abi.encodePacked(f, Codec.funding(address(uint160(uint256(keccak256(abi.encode(salt, i))))), 1 ether));
        }
    }

    function test_gas_depositEth() public {
        vm.prank(leftAddr);
        dep.depositEth{value: 1 ether}(left);
        snap("deposit ETH, first");
        vm.prank(leftAddr);
        dep.depositEth{value: 1 ether}(left);
        snap("deposit ETH, later");
    }

    function test_gas_depositPlainEth() public {
        vm.prank(leftAddr);
        (bool ok,) = address(dep).call{value: 1 ether}("");
        snap("deposit ETH as a plain transfer, first");
        vm.prank(leftAddr);
        (ok,) = address(dep).call{value: 1 ether}("");
        yes(ok, "ok");
        snap("deposit ETH as a plain transfer, later");
    }

    function test_gas_depositErc20() public {
        vm.prank(leftAddr);
        dep.deposit(left, usd, 1 ether);
        snap("deposit ERC-20, first of token");
        vm.prank(leftAddr);
        dep.deposit(left, usd, 1 ether);
        snap("deposit ERC-20, existing reserve");
        vm.prank(leftAddr);
        erc20.approve(address(dep), 1e24);
        vm.prank(leftAddr);
        dep.deposit(left, usd, 1 ether);
        snap("deposit ERC-20, existing reserve, finite approval");
    }

    function test_gas_reserveToCollateral() public {
        depositEth(leftAddr, 1000 ether);
        bytes memory f = fundings(1, 1);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        snap("reserve to collateral, new channel");
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        snap("reserve to collateral, existing channel");
        f = fundings(11, 2);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        uint256 eleven = vm.lastCallGas().gasTotalUsed;
        f = fundings(1, 3);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        vm.snapshotValue("gas", "reserve to collateral, marginal, new channel", (eleven - vm.lastCallGas().gasTotalUsed) / 10);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        uint256 one = vm.lastCallGas().gasTotalUsed;
        f = fundings(11, 2);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, f);
        vm.snapshotValue("gas", "reserve to collateral, marginal, existing channel", (vm.lastCallGas().gasTotalUsed - one) / 10);
    }

    function update(string memory name, bytes memory data) private {
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes memory r = sig(rightKey, settlementDigest(UPDATE, epoch, nonce, uint64(T0 + 1 hours), data));
        vm.prank(leftAddr);
        dep.cooperativeUpdate(left, right, uint64(T0 + 1 hours), data, "", r);
        snap(name);
    }

    function test_gas_cooperativeUpdate() public {
        depositEth(leftAddr, 100 ether);
        fund(leftAddr, 0, 10 ether);
        update("cooperative update, first of channel", Codec.diff(0, 1 ether, 0, -1 ether));
        update("cooperative update", Codec.diff(0, 1 ether, 0, -1 ether));
    }

    /// A relayed batch of one cooperative update, beside the update itself by whom it is sent otherwise.
    function test_gas_batch() public {
        existing();
        bytes memory ops;
        uint256 direct;
        for (uint256 i; i < 3; ++i) {
            bytes memory data = Codec.diff(0, 1 ether, 0, -1 ether);
            (uint32 epoch, uint32 nonce) = epochAndNonce();
            bytes memory r = sig(rightKey, settlementDigest(UPDATE, epoch, nonce, uint64(T0 + 1 hours), data));
            ops = abi.encodeCall(IDepository.cooperativeUpdate, (left, right, uint64(T0 + 1 hours), data, "", r));
            if (i == 0) {
                vm.prank(leftAddr);
                dep.cooperativeUpdate(left, right, uint64(T0 + 1 hours), data, "", r);
                direct = vm.lastCallGas().gasTotalUsed;
                continue;
            }
            ops = abi.encodePacked(uint8(0), uint128(0), uint24(ops.length), ops);
            bytes memory s = sig(leftKey, batchDigest(left, dep.batchNonce(left), uint64(T0 + 1 hours), ops));
            vm.prank(address(0x5e1a7));
            dep.processBatch(left, uint64(T0 + 1 hours), ops, s);
            string memory name = i == 1 ? "relayed batch of one, over the direct call, first of entity" : "relayed batch of one, over the direct call";
            vm.snapshotValue("gas", name, vm.lastCallGas().gasTotalUsed - direct);
        }
    }

    function closeGas(string memory name, int128 offdelta) private {
        bytes memory body = Codec.one(0, offdelta);
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes memory r = sig(rightKey, settlementDigest(CLOSE, epoch, nonce, uint64(T0 + 1 hours), body));
        vm.prank(leftAddr);
        dep.cooperativeClose(left, right, uint64(T0 + 1 hours), body, "", r);
        snap(name);
    }

    function test_gas_cooperativeClose() public {
        existing();
        closeGas("cooperative close", -3 ether);
    }

    function test_gas_cooperativeCloseFirst() public {
        depositEth(leftAddr, 100 ether);
        fund(leftAddr, 0, 10 ether);
        closeGas("cooperative close, first of channel and of right's reserve", -3 ether);
    }

    function whole(string memory suffix, bytes memory older, bytes memory newer) private returns (uint256 total) {
        (uint32 epoch,) = epochAndNonce();
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, epoch, 10, older);
        vm.prank(leftAddr);
        dep.startDispute(left, right, p, "", 0, "");
        total += snap(string.concat("dispute start", suffix));
        Codec.Dispute memory d = disputeOf(10, true, older, "");
        p = proofBy(leftKey, epoch, 13, newer);
        vm.warp(vm.getBlockTimestamp() + 1 hours);
        vm.prank(rightAddr);
        dep.counterDispute(left, right, Codec.dispute(d), p, "", "");
        total += snap(string.concat("dispute counter", suffix));
        d = answered(d, 13, newer, "");
        vm.warp(vm.getBlockTimestamp() + WINDOW);
        vm.prank(leftAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), newer, "", "");
        total += snap(string.concat("dispute finalize", suffix));
        vm.snapshotValue("gas", string.concat("dispute whole", suffix), total);
    }

    function test_gas_dispute() public {
        existing();
        whole("", Codec.one(0, -1 ether), Codec.one(0, -3 ether));
    }

    function test_gas_disputeFirst() public {
        depositEth(leftAddr, 100 ether);
        depositEth(rightAddr, 100 ether);
        fund(leftAddr, 0, 10 ether);
        whole(", first of channel", Codec.one(0, -1 ether), Codec.one(0, -3 ether));
    }

    function test_gas_reveal() public {
        bytes32[] memory s = new bytes32[](1);
        s[0] = keccak256("one");
        provider.reveal(0, s);
        uint256 one = vm.lastCallGas().gasTotalUsed;
        s = new bytes32[](11);
        for (uint256 i; i < 11; ++i) s[i] = keccak256(abi.encode(i));
        provider.reveal(0, s);
        vm.snapshotValue("gas", "reveal, marginal, keccak256", (vm.lastCallGas().gasTotalUsed - one) / 10);
        s = new bytes32[](1);
        s[0] = keccak256("one");
        provider.reveal(1, s);
        one = vm.lastCallGas().gasTotalUsed;
        s = new bytes32[](11);
        for (uint256 i; i < 11; ++i) s[i] = keccak256(abi.encode(i));
        provider.reveal(1, s);
        vm.snapshotValue("gas", "reveal, marginal, sha256", (vm.lastCallGas().gasTotalUsed - one) / 10);
    }

    /// Finalize of one body with n revealed payments of 5 USD in one clause.
    function payments(uint256 n) private returns (uint256) {
        Codec.Payment[] memory list = new Codec.Payment[](n);
        bytes32[] memory s = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            s[i] = keccak256(abi.encode("secret", i));
            list[i] = Codec.Payment(false, 0, 0, USD5, uint40(vm.getBlockTimestamp() + 1 days), keccak256(abi.encode(s[i])));
        }
        provider.reveal(0, s);
        Codec.Clause[] memory clauses = new Codec.Clause[](1);
        clauses[0].provider = address(provider);
        clauses[0].allowances = new Codec.Allow[](1);
        clauses[0].allowances[0] = Codec.Allow(0, uint128(n) * USD5, 0);
        clauses[0].batch = Codec.payments(list);
        Codec.Off[] memory offs = new Codec.Off[](1);
        offs[0] = Codec.Off(usd, -1e9);
        bytes memory body = Codec.body(offs, clauses);
        Codec.Dispute memory d = start(true, 10, body, "");
        vm.warp(vm.getBlockTimestamp() + WINDOW + 1);
        vm.prank(leftAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        return vm.lastCallGas().gasTotalUsed;
    }

    function test_gas_settlePayment() public {
        depositUsd(leftAddr, 1e12);
        depositUsd(rightAddr, 1e12);
        fund(leftAddr, usd, 1e10);
        payments(1);
        fund(leftAddr, usd, 1e10);
        uint256 one = payments(1);
        fund(leftAddr, usd, 1e10);
        uint256 more = payments(21);
        vm.snapshotValue("gas", "payment settled in a finalize, marginal", (more - one) / 20);
    }
}
