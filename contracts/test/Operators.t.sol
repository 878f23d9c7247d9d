// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;
import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {Codec} from "./utils/Codec.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";
/// What operators, old boards and receivers tried, and must not get.
contract OperatorsTest is OrgBase {
    uint64 private constant FOREVER = type(uint64).max;
    bytes32 who;
    function prep() private {
        who = register3();
        dep.depositEth{value: 10 ether}(who);
        (left, right) = (entity(rightAddr), who); // attacker is left, org right
        chKey = keccak256(abi.encode(left, right));
    }
    /// A co-signed close of a channel that never was would take the whole reserve: a delegation with limits signs none.
    function test_operator_limitedSignsNoClose() public {
        prep();
        bytes memory d = delegation(Deleg(4, uint40(T0 + 9), 0, limit(address(dep), 0, 1)));
        bytes memory byBoard = by3(who, delegationDigest(who, d));
        bytes memory body = Codec.one(0, 50 ether); // right owes left
        bytes32 dg = settlementDigest(CLOSE, 0, 0, FOREVER, body);
        bytes memory s = byOperator(who, d, byBoard, dg);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        vm.prank(rightAddr);
        dep.cooperativeClose(left, right, FOREVER, body, "", s);
        // Nor as a part of a batch.
        Codec.Op[] memory ops = new Codec.Op[](1);
        ops[0].data = abi.encodeCall(IDepository.cooperativeClose, (left, right, FOREVER, body, sig(rightKey, dg), ""));
        bytes memory o = Codec.operations(ops);
        s = byOperator(who, d, byBoard, batchDigest(who, 0, FOREVER, o));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.processBatch(who, FOREVER, o, s);
        eq(reserves(who, 0), 10 ether, "still there");
    }
    /// Who starts a dispute consents to what the other side alone has signed: Dispute needs States, too.
    function test_operator_disputeNeedsStates() public {
        prep();
        bytes memory d = delegation(Deleg(2, uint40(T0 + 9), 0, limit(address(dep), 0, 1)));
        bytes memory byBoard = by3(who, delegationDigest(who, d));
        bytes memory body = Codec.one(0, 10 ether);
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 5, body);
        bytes32 dg = startDigest(0, 5, p.bodyHash, "", FOREVER);
        bytes memory s = byOperator(who, d, byBoard, dg);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.startDispute(who, left, p, "", FOREVER, s);
    }
    /// A limit counts what reserve and channel lose together, and a limited operator forgives no debt.
    function test_operator_limitCountsTheChannel() public {
        prep();
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(who, left, 3 ether);
        depositEth(rightAddr, 3 ether);
        vm.prank(rightAddr);
        dep.reserveToCollateral(0, Codec.fundings(f));
        bytes memory d = delegation(Deleg(4, uint40(T0 + 9), 0, limit(address(dep), 0, 1)));
        bytes memory byBoard = by3(who, delegationDigest(who, d));
        bytes memory u = Codec.diff(0, 3 ether, 0, 0);
        bytes32 dg = settlementDigest(UPDATE, 0, 0, FOREVER, u);
        bytes memory s = byOperator(who, d, byBoard, dg);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        vm.prank(rightAddr);
        dep.cooperativeUpdate(left, right, FOREVER, u, "", s);
        u = abi.encodePacked(uint8(0), uint8(1), uint32(0), uint8(1), uint64(0));
        s = byOperator(who, d, byBoard, settlementDigest(UPDATE, 0, 0, FOREVER, u));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        vm.prank(rightAddr);
        dep.cooperativeUpdate(left, right, FOREVER, u, "", s);
    }
    /// An account's operator cannot make itself the board.
    function test_operator_cannotReplaceAnAccountsBoard() public {
        bytes32 acct = account(keys[7]);
        vm.prank(vm.addr(keys[7]));
        gov.recordBoard(keccak256(board3()));
        dep.depositEth{value: 10 ether}(acct);
        bytes memory d = delegation(Deleg(8, uint40(T0 + 9), 0, limit(address(dep), 0, 1)));
        bytes memory byBoard = by3(acct, delegationDigest(acct, d));
        bytes memory mine = one(account(OPERATOR));
        bytes memory c = abi.encodeCall(IGovernance.recordBoard, (keccak256(mine)));
        bytes memory s = byOperator(acct, d, byBoard, governDigest(acct, 0, FOREVER, c));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.InvalidSignature.selector, acct));
        gov.relay(acct, FOREVER, c, s);
        // Its board can.
        gov.relay(acct, FOREVER, c, by3(acct, governDigest(acct, 0, FOREVER, c)));
    }

    /// The same of answers.
    function test_operator_answerNeedsStates() public {
        prep();
        bytes memory d = delegation(Deleg(2, uint40(T0 + 9), 0, limit(address(dep), 0, 1)));
        bytes memory byBoard = by3(who, delegationDigest(who, d));
        uint32[] memory none = new uint32[](0);
        vm.prank(rightAddr);
        dep.startEmptyDispute(left, who, none, FOREVER, "");
        bytes memory body = Codec.one(0, 10 ether);
        IDepositoryTypes.StateProof memory p = proofBy(rightKey, 0, 5, body);
        bytes32 dg = answerDigest(0, 5, p.bodyHash, "");
        Codec.Dispute memory x = disputeOf(0, true, hex"0000", "");
        bytes memory s = byOperator(who, d, byBoard, dg);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.counterDispute(left, who, Codec.dispute(x), p, "", s);
    }

    /// A receiver that burns its gas does not take the batch with it.
    function test_batch_burnerIsSkipped() public {
        depositEth(leftAddr, 5 ether);
        Burner b = new Burner();
        Codec.Op[] memory ops = new Codec.Op[](2);
        ops[0].skip = true;
        ops[0].data = abi.encodeCall(IDepository.withdraw, (0, 1 ether, address(b)));
        ops[1].skip = true;
        ops[1].data = abi.encodeCall(IDepository.withdraw, (0, 1 ether, address(0xbeef)));
        vm.prank(leftAddr);
        (bool ok, bytes memory r) = address(dep).call{gas: 16_700_000}(abi.encodeCall(IDepository.processBatch, (entity(leftAddr), FOREVER, Codec.operations(ops), "")));
        yes(ok && r.length == 0, "goes on");
        eq(address(0xbeef).balance, 1 ether, "paid");
    }
}
contract Burner { receive() external payable { while (true) {} } }
