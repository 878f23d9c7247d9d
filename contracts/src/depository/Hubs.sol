// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delegated} from "./Delegated.sol";
import {Signatures} from "./Signatures.sol";

/// The public list of hubs, in the order in which they came. Nobody is asked, and nobody is removed.
abstract contract Hubs is Signatures, Delegated {
    uint256 private constant MAX_URI = 256;

    function registerHub(string calldata uri) external delegated {
        if (bytes(uri).length > MAX_URI) revert UriTooLong();
        bytes32 entity = _caller();
        Actor storage actor = _actors[entity];
        if (actor.hub == 0) {
            _hubs.push(HubEntry(entity, uri));
            // Safe: nobody pays for 2^32 hubs.
            actor.hub = uint32(_hubs.length);
        } else {
            _hubs[actor.hub - 1].uri = uri;
        }
        emit HubRegistered(entity, uri);
    }

    function hubs(uint256 from, uint256 max) external view returns (Hub[] memory list) {
        uint256 count = _hubs.length;
        uint256 n = from < count ? count - from : 0;
        if (n > max) n = max;
        list = new Hub[](n);
        for (uint256 i; i < n; ++i) {
            HubEntry storage hub = _hubs[from + i];
            list[i] = Hub(hub.entity, hub.uri, _actors[hub.entity].gasUsed);
        }
    }

    function hubCount() external view returns (uint256) {
        return _hubs.length;
    }
}
