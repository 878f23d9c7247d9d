// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IInstrument} from "../../src/interfaces/IInstrument.sol";

/// Says what it is told to: moves and how long it is undecided, from its terms; facts by their first byte.
contract Scripted is IInstrument {
    function observe(bytes calldata question) external pure returns (bool yes, uint128 value) {
        if (question[0] == 0x02) {
            // A value that is no u128.
            assembly {
                mstore(0, 1)
                mstore(0x20, shl(128, 1))
                return(0, 0x40)
            }
        }
        if (question[0] == 0x03) {
            assembly {
                mstore(0, 1)
                return(0, 0x20)
            }
        }
        return (question[0] == 0x01, uint128(question.length));
    }

    function settle(uint16, bytes calldata terms, uint256, uint40, uint40)
        external
        pure
        returns (int256[] memory moves, uint40 undecidedUntil)
    {
        return abi.decode(terms, (int256[], uint40));
    }
}

/// Targets of conditions: by calldata selector, answers of every shape.
contract Answers {
    uint256 private sink;

    /// Says yes only if it was starved.
    function starved() external view returns (uint256) {
        return gasleft() < 95_000 ? 1 : 0;
    }

    /// Says yes only with nearly its whole bound, and no more.
    function bound() external view returns (uint256) {
        return gasleft() > 95_000 && gasleft() <= 100_000 ? 1 : 0;
    }

    function burn() external view returns (uint256) {
        while (gasleft() > 1000) {}
        assembly {
            invalid()
        }
    }

    function word(uint256 x) external pure returns (uint256) {
        return x;
    }

    function short() external pure {
        assembly {
            mstore(0, shl(8, 1))
            return(0, 31)
        }
    }

    function long() external pure {
        assembly {
            mstore(0, 1)
            return(0, 1000)
        }
    }

    function no() external pure {
        assembly {
            mstore(0, 1)
            revert(0, 32)
        }
    }

    function write() external returns (uint256) {
        sink = 1;
        return 1;
    }
}

/// A Depository's debts, as told.
contract Debts {
    mapping(bytes32 entity => mapping(uint32 token => uint256)) public debtTotal;

    function set(bytes32 entity, uint32 token, uint256 total) external {
        debtTotal[entity][token] = total;
    }
}
