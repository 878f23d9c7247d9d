// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {BodyCodec} from "./BodyCodec.sol";
import {Delegated} from "./Delegated.sol";
import {Starts} from "./Starts.sol";
import {Updates} from "./Updates.sol";

/// Starts with the empty state, which needs no signature of the peer: nobody's deposit is hostage to one that never signs.
abstract contract EmptyStarts is Starts, Delegated {
    function startEmptyDispute(
        bytes32 starter,
        bytes32 peer,
        uint32[] calldata list,
        uint64 expiry,
        bytes calldata starterSignature
    ) external delegated {
        Subject memory subject = _idle(starter, peer);
        bytes memory body = _emptyBody(list);
        bytes32 bodyHash = keccak256(body);
        _requireStarter(starter, subject, 0, bodyHash, 0, expiry, starterSignature);
        _open(subject, 0, starter < peer, bodyHash, 0, msg.data[:0]);
        emit EmptyState(subject.left, subject.right, body);
    }

    /// Offdelta 0 for each token, no clauses.
    function _emptyBody(uint32[] calldata list) private pure returns (bytes memory body) {
        uint256 n = list.length;
        if (n > Updates.MAX_TOKENS) revert MalformedBody();
        body = new bytes(2 + n * BodyCodec.TOKEN_ENTRY);
        body[0] = bytes1(uint8(n));
        for (uint256 i; i < n; ++i) {
            uint32 token = list[i];
            if (i != 0 && token <= list[i - 1]) revert MalformedBody();
            for (uint256 b; b < 4; ++b) {
                body[1 + i * BodyCodec.TOKEN_ENTRY + b] = bytes4(token)[b];
            }
        }
    }
}
