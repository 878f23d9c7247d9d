// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Too little gas to ask with the full bound: what starves decides nothing.
error NotEnoughGas();
