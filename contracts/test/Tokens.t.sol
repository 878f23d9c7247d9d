// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Base, IMint} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

interface IHooks {
    function onERC721Received(address operator, address from, uint256 id, bytes calldata data) external returns (bytes4);
    function supportsInterface(bytes4 id) external view returns (bool);
}

/// Calls back into the Depository in the middle of a transfer.
contract Reenterer {
    IDepository private immutable dep;
    bytes private call_;
    mapping(address => uint256) public balanceOf;
    bool public inner;
    bool private inside;

    constructor(IDepository dep_) {
        dep = dep_;
    }

    function arm(bytes calldata data) external {
        call_ = data;
    }

    function transferFrom(address, address to, uint256 amount) external {
        balanceOf[to] += amount;
        // Once, so that what is refused is the call and not its depth.
        if (inside) return;
        inside = true;
        (bool ok, bytes memory why) = address(dep).call(call_);
        inside = false;
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(why, 0x20), mload(why))
            }
        }
    }

    function transfer(address, uint256 amount) external {
        // Takes one more than it was told to.
        balanceOf[msg.sender] -= amount + 1;
    }

    function withdrawEth(uint256 amount) external {
        dep.withdraw(0, amount, address(this));
    }

    receive() external payable {
        if (inner) return;
        inner = true;
        (bool ok,) = address(dep).call(call_);
        require(ok, "inner");
    }
}

/// False, or not a word.
contract BadToken {
    mapping(address => uint256) public balanceOf;

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        balanceOf[to] += amount;
        return false;
    }
}

/// ERC-2612 in short: whoever gives v = 27 may.
contract PermitToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(bytes32 => bool) private used;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 id = keccak256(abi.encode(owner, r, s));
        require(v == 27 && deadline >= block.timestamp && !used[id], "permit");
        used[id] = true;
        allowance[owner][spender] = value;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        allowance[from][msg.sender] -= value;
        balanceOf[from] -= value;
        balanceOf[to] += value;
        return true;
    }
}

contract TokensTest is Base {
    function register(IDepositoryTypes.TokenKind kind, address token, uint256 id) private returns (uint32) {
        return dep.registerToken(kind, token, id);
    }

    function deploy(string memory file, string memory name) private returns (IMint) {
        return IMint(vm.deployCode(string.concat(file, ".sol:", name)));
    }

    function test_registry() public {
        eq(usd, 1, "first id");
        eq(register(IDepositoryTypes.TokenKind.Erc20, address(erc20), 0), usd, "same again");
        eq(dep.tokenCount(), 2, "count");
        eq(dep.tokenId(IDepositoryTypes.TokenKind.Erc20, address(erc20), 0), usd, "lookup");
        eq(dep.tokenId(IDepositoryTypes.TokenKind.Erc20, address(this), 0), 0, "unknown");
        IDepositoryTypes.TokenInfo memory info = dep.tokenInfo(usd);
        yes(info.token == address(erc20) && info.kind == IDepositoryTypes.TokenKind.Erc20 && info.id == 0, "info");
        info = dep.tokenInfo(0);
        yes(info.token == address(0) && info.kind == IDepositoryTypes.TokenKind.Eth, "eth");
        eq(dep.tokens(0, 10).length, 2, "page");
        eq(dep.tokens(1, 10).length, 1, "page from");
        eq(dep.tokens(0, 1).length, 1, "page max");
        eq(dep.tokens(5, 1).length, 0, "past the end");
        vm.expectRevert(IDepositoryTypes.UnknownToken.selector);
        dep.tokenInfo(2);
    }

    function test_registry_refusesOtherKinds() public {
        IMint nft = deploy("TestNfts", "TestErc721");
        IMint multi = deploy("TestNfts", "TestErc1155");
        IDepositoryTypes.TokenKind[4] memory kinds = [
            IDepositoryTypes.TokenKind.Eth, IDepositoryTypes.TokenKind.Erc20, IDepositoryTypes.TokenKind.Erc721, IDepositoryTypes.TokenKind.Erc1155
        ];
        address[3] memory where = [address(erc20), address(nft), address(multi)];
        for (uint256 k; k < 4; ++k) {
            for (uint256 t; t < 3; ++t) {
                if (k == t + 1) continue;
                vm.expectRevert(IDepositoryTypes.WrongTokenKind.selector);
                register(kinds[k], where[t], 0);
            }
        }
        vm.expectRevert(IDepositoryTypes.WrongTokenKind.selector);
        register(IDepositoryTypes.TokenKind.Erc20, address(erc20), 1);
        vm.expectRevert(IDepositoryTypes.WrongTokenKind.selector);
        register(IDepositoryTypes.TokenKind.Erc20, address(0xdead), 0);
    }

    function test_eth(uint96 amount) public {
        vm.assume(amount > 1);
        vm.deal(leftAddr, amount);
        vm.prank(leftAddr);
        dep.depositEth{value: amount}(right);
        eq(reserves(right, 0), amount, "credited to the entity named");
        address to = address(0x7070);
        vm.prank(rightAddr);
        dep.withdraw(0, amount - 1, to);
        eq(to.balance, amount - 1, "paid out");
        eq(reserves(right, 0), 1, "rest");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.InsufficientReserve.selector);
        dep.withdraw(0, 2, to);
    }

    function test_plainTransferIsADeposit() public {
        vm.prank(leftAddr);
        (bool ok,) = address(dep).call{value: 5}("");
        yes(ok, "sent");
        eq(reserves(left, 0), 5, "credited");
        vm.prank(leftAddr);
        (ok,) = address(dep).call{value: 0}("");
        yes(!ok, "zero refused");
    }

    function test_rule5_zeroAmounts() public {
        bytes4 zero = IDepositoryTypes.ZeroAmount.selector;
        vm.expectRevert(zero);
        dep.depositEth(left);
        vm.expectRevert(zero);
        dep.deposit(left, usd, 0);
        vm.expectRevert(zero);
        dep.withdraw(usd, 0, leftAddr);
        vm.expectRevert(zero);
        dep.reserveToReserve(left, usd, 0);
        vm.expectRevert(zero);
        dep.reserveToCollateral(usd, Codec.fundings(new Codec.Funding[](0)));
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(left, right, 0);
        vm.expectRevert(zero);
        dep.reserveToCollateral(usd, Codec.fundings(f));
    }

    function test_entities() public {
        bytes4 bad = IDepositoryTypes.InvalidEntity.selector;
        bytes32[4] memory ids = [bytes32(0), bytes32(uint256(1) << 160), bytes32(uint256(3) << 248), bytes32(uint256(0xff) << 248)];
        vm.deal(address(this), 100);
        for (uint256 i; i < ids.length; ++i) {
            vm.expectRevert(bad);
            dep.depositEth{value: 1}(ids[i]);
            vm.expectRevert(bad);
            dep.deposit(ids[i], usd, 1);
            vm.expectRevert(bad);
            dep.reserveToReserve(ids[i], 0, 1);
        }
        dep.depositEth{value: 1}(bytes32(uint256(1) << 248));
        dep.depositEth{value: 1}(bytes32(uint256(2) << 248 | 7));
        vm.expectRevert(bad);
        dep.withdraw(0, 1, address(0));
        vm.expectRevert(bad);
        dep.withdraw(0, 1, address(dep));
    }

    function test_erc20(uint96 amount) public {
        vm.assume(amount > 0);
        depositUsd(leftAddr, amount);
        eq(reserves(left, usd), amount, "credited");
        vm.prank(leftAddr);
        dep.withdraw(usd, amount, rightAddr);
        eq(erc20.balanceOf(rightAddr), 1e30 + uint256(amount), "paid out");
        vm.expectRevert(IDepositoryTypes.UnknownToken.selector);
        dep.deposit(left, 77, 1);
        vm.expectRevert(IDepositoryTypes.UnknownToken.selector);
        dep.deposit(left, 0, 1);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.deposit(left, usd, 1);
    }

    function test_rule21_feeOnTransferCreditedByBalance(uint96 amount) public {
        IMint fee = IMint(vm.deployCode("TestErc20.sol:TestErc20Fee", abi.encode(10_000)));
        uint32 token = register(IDepositoryTypes.TokenKind.Erc20, address(fee), 0);
        vm.assume(amount > 0);
        fee.mint(address(this), amount);
        fee.approve(address(dep), amount);
        dep.deposit(left, token, amount);
        uint256 got = amount - amount / 100;
        eq(reserves(left, token), got, "what came");
        eq(fee.balanceOf(address(dep)), got, "held");
        vm.prank(leftAddr);
        dep.withdraw(token, got, leftAddr);
        eq(fee.balanceOf(address(dep)), 0, "all out");
    }

    function test_rule21_noReturnValue() public {
        IMint token20 = deploy("TestErc20", "TestErc20NoReturn");
        uint32 token = register(IDepositoryTypes.TokenKind.Erc20, address(token20), 0);
        token20.mint(address(this), 10);
        token20.approve(address(dep), 10);
        dep.deposit(left, token, 10);
        vm.prank(leftAddr);
        dep.withdraw(token, 4, rightAddr);
        eq(token20.balanceOf(rightAddr), 4, "out");
        eq(reserves(left, token), 6, "rest");
    }

    function test_falseIsAFailure() public {
        uint32 token = register(IDepositoryTypes.TokenKind.Erc20, address(new BadToken()), 0);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.deposit(left, token, 1);
    }

    function test_amountsStayBelow2to127() public {
        uint256 limit = 1 << 127;
        vm.deal(address(this), type(uint256).max);
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        dep.depositEth{value: limit}(left);
        dep.depositEth{value: limit - 1}(left);
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        dep.depositEth{value: 1}(left);
        dep.depositEth{value: 1}(right);
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        dep.reserveToReserve(left, 0, 1);
        fund(leftAddr, 0, uint128(limit - 1));
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        this.fundExternally(rightAddr, 0, 1);
    }

    function fundExternally(address who, uint32 token, uint128 amount) external {
        fund(who, token, amount);
    }

    function test_rule21_erc721IsAmountOne() public {
        IMint nft = deploy("TestNfts", "TestErc721");
        uint32 token = register(IDepositoryTypes.TokenKind.Erc721, address(nft), 5);
        nft.mint(address(this), 5);
        nft.setApprovalForAll(address(dep), true);
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        dep.deposit(left, token, 2);
        dep.deposit(left, token, 1);
        yes(nft.ownerOf(5) == address(dep) && reserves(left, token) == 1, "in");
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.deposit(left, token, 1);
        vm.prank(leftAddr);
        dep.withdraw(token, 1, rightAddr);
        yes(nft.ownerOf(5) == rightAddr && reserves(left, token) == 0, "out");
    }

    function test_erc1155() public {
        IMint multi = deploy("TestNfts", "TestErc1155");
        uint32 token = register(IDepositoryTypes.TokenKind.Erc1155, address(multi), 9);
        multi.mint(address(this), 9, 100);
        multi.setApprovalForAll(address(dep), true);
        dep.deposit(left, token, 60);
        eq(reserves(left, token), 60, "in");
        vm.prank(leftAddr);
        dep.withdraw(token, 25, rightAddr);
        eq(multi.balanceOf(rightAddr, 9), 25, "out");
        eq(multi.balanceOf(address(dep), 9), 35, "held");
        // Not ours to take: nobody asked for these.
        vm.expectRevert(IDepositoryTypes.UnexpectedTransfer.selector);
        multi.safeTransferFrom(address(this), address(dep), 9, 1, "");
    }

    function test_hooksOnlyDuringOwnDeposit() public {
        IMint nft = deploy("TestNfts", "TestErc721");
        nft.mint(address(this), 1);
        vm.expectRevert(IDepositoryTypes.UnexpectedTransfer.selector);
        nft.safeTransferFrom(address(this), address(dep), 1);
        vm.expectRevert(IDepositoryTypes.UnexpectedTransfer.selector);
        IHooks(address(dep)).onERC721Received(address(dep), address(this), 1, "");
        IHooks d = IHooks(address(dep));
        yes(d.supportsInterface(0x01ffc9a7) && d.supportsInterface(0x150b7a02) && d.supportsInterface(0x4e2312e0), "165");
        yes(!d.supportsInterface(0xffffffff), "165 no");
    }

    function test_reentrancy() public {
        Reenterer evil = new Reenterer(dep);
        uint32 token = register(IDepositoryTypes.TokenKind.Erc20, address(evil), 0);
        evil.arm(abi.encodeCall(IDepository.deposit, (left, token, 1)));
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.deposit(left, token, 1);
        evil.arm(abi.encodeCall(IDepository.withdraw, (0, 1, address(evil))));
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.deposit(left, token, 1);
        // Views do not mind.
        evil.arm(abi.encodeCall(IDepository.reserveOf, (left, token)));
        dep.deposit(left, token, 10);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.withdraw(token, 5, leftAddr);
        // ETH: a second withdrawal inside the first.
        dep.depositEth{value: 10}(entity(address(evil)));
        evil.arm(abi.encodeCall(IDepository.withdraw, (0, 1, address(evil))));
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        evil.withdrawEth(1);
        eq(reserves(entity(address(evil)), 0), 10, "nothing moved");
        // The lock is free again afterwards.
        depositUsd(leftAddr, 1);
    }

    function test_withdrawToWhoRefuses() public {
        depositEth(leftAddr, 10);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.withdraw(0, 1, address(erc20));
    }

    receive() external payable {}

    function test_permit() public {
        PermitToken token = new PermitToken();
        uint32 id = dep.registerToken(IDepositoryTypes.TokenKind.Erc20, address(token), 0);
        token.mint(leftAddr, 100);
        vm.prank(leftAddr);
        dep.depositWithPermit(right, id, 10, T0, 27, "r", "s");
        eq(reserves(right, id), 10, "for whom it says");
        // Used by somebody who saw it: the allowance is there.
        token.permit(leftAddr, address(dep), 20, T0, 27, "r", "t");
        vm.prank(leftAddr);
        dep.depositWithPermit(left, id, 20, T0, 27, "r", "t");
        eq(reserves(left, id), 20, "front-run");
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.depositWithPermit(left, id, 5, T0, 28, "r", "u");
        // Never with another's tokens.
        token.permit(leftAddr, address(dep), 20, T0, 27, "r", "v");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.TransferFailed.selector);
        dep.depositWithPermit(right, id, 20, T0, 27, "r", "v");
        vm.expectRevert(IDepositoryTypes.UnknownToken.selector);
        dep.depositWithPermit(left, 99, 5, T0, 27, "r", "u");
        address nft = vm.deployCode("TestNfts.sol:TestErc721");
        uint32 other = dep.registerToken(IDepositoryTypes.TokenKind.Erc721, nft, 1);
        vm.expectRevert(IDepositoryTypes.WrongTokenKind.selector);
        dep.depositWithPermit(left, other, 1, T0, 27, "r", "u");
    }

    /// In a batch of left's that anybody sends, left's tokens.
    function test_permit_inABatch() public {
        PermitToken token = new PermitToken();
        uint32 id = dep.registerToken(IDepositoryTypes.TokenKind.Erc20, address(token), 0);
        token.mint(leftAddr, 100);
        Codec.Op[] memory ops = new Codec.Op[](2);
        ops[0].data = abi.encodeCall(IDepository.depositWithPermit, (left, id, 10, T0, 27, "r", "s"));
        ops[1].data = abi.encodeCall(IDepository.reserveToReserve, (right, id, 4));
        bytes memory data = Codec.operations(ops);
        bytes memory s_ = sig(leftKey, batchDigest(left, 0, type(uint64).max, data));
        dep.processBatch(left, type(uint64).max, data, s_);
        yes(reserves(left, id) == 6 && reserves(right, id) == 4, "deposited and sent on");
    }
}
