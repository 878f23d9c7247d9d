// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Boards} from "./entity/Boards.sol";
import {Proposals} from "./entity/Proposals.sol";

/// Who may sign: accounts by key, by a board that they recorded, and by ERC-1271 for their own actions only; organisations
/// by board, operator or vote. No owner. docs/protocol.md section 2, docs/encodings.md.
contract EntityProvider is Proposals {
    /// What delegations took out, by Depository and keccak256(entity, delegation).
    mapping(address depository => mapping(bytes32 key => mapping(uint32 token => uint128))) private _spent;

    /// `grace_`, `boardDelay_`: seconds, at most ten years.
    constructor(uint40 grace_, uint40 boardDelay_) Boards(grace_, boardDelay_) {}

    function isValidSignature(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission)
        external
        view
        returns (bool)
    {
        return _verify(entity, digest, signature, permission);
    }

    /// Counted for the caller: nobody else can use up what is left in a Depository.
    function spend(bytes32 entity, bytes32 digest, bytes calldata signature, Outflow[] calldata outflows)
        external
        returns (bool)
    {
        if (!_verifyOperator(entity, digest, signature, Permission.Withdraw)) {
            return _verify(entity, digest, signature, Permission.Withdraw);
        }
        (bytes32 delegation, bool limited) = _delegationOf(signature);
        if (!limited) return true;
        mapping(uint32 => uint128) storage spentOf = _spent[msg.sender][_spentKey(entity, delegation)];
        for (uint256 i; i < outflows.length; ++i) {
            uint32 token = outflows[i].token;
            uint256 sum = uint256(spentOf[token]) + outflows[i].amount;
            if (sum > _limit(signature, msg.sender, token)) {
                // Nothing flowed out, so nothing counts.
                while (i != 0) {
                    --i;
                    spentOf[outflows[i].token] -= outflows[i].amount;
                }
                return false;
            }
            // Safe: at most a limit.
            spentOf[token] = uint128(sum);
        }
        return true;
    }

    function spent(address depository, bytes32 entity, bytes32 delegation, uint32 token) external view returns (uint128) {
        return _spent[depository][_spentKey(entity, delegation)][token];
    }

    function _spentKey(bytes32 entity, bytes32 delegation) private pure returns (bytes32) {
        return keccak256(abi.encode(entity, delegation));
    }
}
