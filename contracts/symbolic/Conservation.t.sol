// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Depository} from "../../src/Depository.sol";

/// Everybody has signed everything, and every number is 1.
contract Yes {
    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encode(true);
    }
}

/// A Depository whose storage the checks set and read.
contract Harness is Depository {
    constructor() Depository(address(new Yes()), 0) {}

    function setCollateral(bytes32 left, bytes32 right, uint32 token, uint256 amount) external {
        _save(_bucketSlot(_key(left, right), token), amount);
    }

    function locked(bytes32 left, bytes32 right, uint32 token) external view returns (uint256) {
        return uint128(_load(_bucketSlot(_key(left, right), token)));
    }

    function setReserve(bytes32 entity, uint32 token, uint256 amount) external {
        _save(_reserveSlot(entity, token), amount);
    }

    function reserve(bytes32 entity, uint32 token) external view returns (uint256) {
        return _load(_reserveSlot(entity, token)) & ~DEBT_MARK;
    }

    function owed(bytes32 entity, uint32 token) external view returns (uint256) {
        return _debtQueues[entity][token].total;
    }

    function endEpoch(bytes32 left, bytes32 right, bytes calldata body, uint256 amount, int256 delta) external {
        uint256[] memory collaterals = new uint256[](1);
        int256[] memory deltas = new int256[](1);
        collaterals[0] = amount;
        deltas[0] = delta;
        _endEpoch(Subject(left, right, _key(left, right), 0), body, collaterals, deltas);
    }
}

/// For halmos (scripts/analyse.sh): every input within the stated widths, not samples of them.
contract ConservationTest {
    Harness private h;
    // Organisations, so that every signature is the EntityProvider's business.
    bytes32 private constant LEFT = bytes32(uint256(2) << 248 | 1);
    bytes32 private constant RIGHT = bytes32(uint256(2) << 248 | 2);

    function setUp() public {
        h = new Harness();
    }

    /// A split pays out exactly the collateral; what lies outside of it moves between reserves, or is owed.
    function check_splitConserves(uint120 collateral, int120 delta, uint120 leftBefore, uint120 rightBefore) public {
        h.setReserve(LEFT, 1, leftBefore);
        h.setReserve(RIGHT, 1, rightBefore);
        h.endEpoch(LEFT, RIGHT, abi.encodePacked(uint8(1), uint32(1), int128(0), uint8(0)), collateral, delta);
        (uint256 l, uint256 r) = (h.reserve(LEFT, 1), h.reserve(RIGHT, 1));
        (uint256 owedByLeft, uint256 owedByRight) = (h.owed(LEFT, 1), h.owed(RIGHT, 1));
        assert(l + r == uint256(leftBefore) + rightBefore + collateral);
        // Wealth moves by delta: what left has, less what it owes, more what it is owed.
        assert(int256(l) - int256(owedByLeft) + int256(owedByRight) == int256(uint256(leftBefore)) + delta);
        // Nobody owes while it has something, and never both.
        assert(owedByLeft == 0 || l == 0);
        assert(owedByRight == 0 || r == 0);
        assert(owedByLeft == 0 || owedByRight == 0);
    }

    /// A co-signed update makes and destroys nothing, whatever its diffs say, or it reverts.
    function check_updateConserves(int40 leftDiff, int40 rightDiff, int40 ondelta, uint40 collateral, uint40 leftBefore, uint40 rightBefore)
        public
    {
        h.setReserve(LEFT, 1, leftBefore);
        h.setReserve(RIGHT, 1, rightBefore);
        h.setCollateral(LEFT, RIGHT, 1, collateral);
        bytes memory update =
            abi.encodePacked(uint8(1), uint32(1), int128(leftDiff), int128(rightDiff), int128(ondelta), uint8(0));
        h.cooperativeUpdate(LEFT, RIGHT, type(uint64).max, update, hex"02", hex"02");
        assert(int256(h.reserve(LEFT, 1)) == int256(uint256(leftBefore)) + leftDiff);
        assert(int256(h.reserve(RIGHT, 1)) == int256(uint256(rightBefore)) + rightDiff);
        assert(int256(h.locked(LEFT, RIGHT, 1)) == int256(uint256(collateral)) - leftDiff - rightDiff);
    }
}
