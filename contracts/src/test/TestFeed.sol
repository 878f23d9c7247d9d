// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// A price feed that answers what it was told to.
contract TestFeed {
    int256 public latestAnswer;

    function set(int256 price) external {
        latestAnswer = price;
    }
}
