// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Answers of a world outside, by name: what conditions ask.
contract TestAnswers {
    mapping(bytes32 name => bool) public answer;

    function set(bytes32 name, bool yes) external {
        answer[name] = yes;
    }
}
