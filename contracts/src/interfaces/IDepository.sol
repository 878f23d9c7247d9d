// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "./IDepositoryTypes.sol";

/// Money and disputes. Meaning: docs/protocol.md; byte formats: docs/encodings.md.
interface IDepository is IDepositoryTypes {
    // Deposits and withdrawals. `deposit` takes every kind but ETH; ERC-721: amount 1.
    function registerToken(TokenKind kind, address token, uint256 id) external returns (uint32);
    /// ETH. A plain transfer without calldata is a deposit of its sender, too.
    function depositEth(bytes32 entity) external payable;
    /// Taken from the caller; in a batch from the entity, which must be an account then.
    function deposit(bytes32 entity, uint32 token, uint256 amount) external;
    /// ERC-2612 for `amount`, then `deposit`. A permit that fails, or was used before, does not fail the deposit.
    function depositWithPermit(bytes32 entity, uint32 token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    function withdraw(uint32 token, uint256 amount, address to) external;
    function reserveToReserve(bytes32 to, uint32 token, uint128 amount) external;
    /// From the caller's reserve into channels, each in favour of a receiver. `fundings`: docs/encodings.md.
    function reserveToCollateral(uint32 token, bytes calldata fundings) external;

    // Co-signed. The caller's own signature may be empty.
    function cooperativeUpdate(bytes32 left, bytes32 right, uint64 expiry, bytes calldata update, bytes calldata leftSignature, bytes calldata rightSignature) external;
    function cooperativeClose(bytes32 left, bytes32 right, uint64 expiry, bytes calldata body, bytes calldata leftSignature, bytes calldata rightSignature) external;

    // Disputes. An empty `starterSignature`/`answererSignature` means: the caller is that entity. `dispute`: the running
    // one, as the last DisputeStarted or DisputeAnswered gave it.
    function startDispute(bytes32 starter, bytes32 peer, StateProof calldata proof, bytes calldata fills, uint64 expiry, bytes calldata starterSignature) external;
    function startEmptyDispute(bytes32 starter, bytes32 peer, uint32[] calldata tokens, uint64 expiry, bytes calldata starterSignature) external;
    /// The non-starter takes the shown state as it is.
    function acceptDispute(bytes32 left, bytes32 right, bytes calldata dispute, bytes calldata fills, bytes calldata answererSignature) external;
    /// The non-starter shows a newer state signed by the starter.
    function counterDispute(bytes32 left, bytes32 right, bytes calldata dispute, StateProof calldata proof, bytes calldata fills, bytes calldata answererSignature) external;
    /// Anyone shows a newer state that carries both signatures (`proof.signature` is left's).
    function counterDisputeWithBoth(bytes32 left, bytes32 right, bytes calldata dispute, StateProof calldata proof, bytes calldata rightSignature) external;
    function finalizeDispute(bytes32 left, bytes32 right, bytes calldata dispute, bytes calldata body, bytes calldata starterFills, bytes calldata answererFills) external;

    /// Looks at no more than `maxEntries` entries from the head of the queue on, those forgiven included.
    function enforceDebts(bytes32 entity, uint32 token, uint256 maxEntries) external returns (uint256 paid, uint256 remainingEntries);

    // Batches.
    /// `operations` in their order, each as if the entity called it: by itself (empty signature), or by any relayer with its
    /// signature over the batch (docs/encodings.md).
    function processBatch(bytes32 entity, uint64 expiry, bytes calldata operations, bytes calldata signature) external payable;
    /// Only within a batch: adds to the entity's reserve, and is taken back at the end of the batch, summed per token.
    function flash(uint32 token, uint128 amount) external;
    /// Puts the caller on the public list of hubs, or changes its URI (at most 256 bytes).
    function registerHub(string calldata uri) external;

    // Views.
    function entityProvider() external view returns (address);
    function disputeWindow() external view returns (uint40);
    /// What answers for the functions that are not in the Depository's own code.
    function extension() external view returns (address);
    function tokenCount() external view returns (uint32);
    function tokenInfo(uint32 token) external view returns (TokenInfo memory);
    function tokens(uint32 from, uint32 max) external view returns (TokenInfo[] memory);
    function tokenId(TokenKind kind, address token, uint256 id) external view returns (uint32); // 0 if unknown (and for ETH)
    function reserveOf(bytes32 entity, uint32 token) external view returns (uint128);
    /// `disputeHash`: docs/encodings.md, zero while there is no dispute.
    function channel(bytes32 left, bytes32 right) external view returns (uint32 epoch, uint32 settlementNonce, bytes24 disputeHash);
    function collaterals(bytes32 left, bytes32 right, uint32[] calldata tokens) external view returns (uint128[] memory collateral, int128[] memory ondelta);
    /// Open entries among the `max` from index `max(from, head)` on; the next page starts behind these, up to `tail`.
    function debtsOf(bytes32 entity, uint32 token, uint64 from, uint64 max) external view returns (DebtEntry[] memory entries, uint64 head, uint64 tail);
    /// Sum of all open debts.
    function debtTotal(bytes32 entity, uint32 token) external view returns (uint256);
    /// The nonce of the next batch that is sent with a signature.
    function batchNonce(bytes32 entity) external view returns (uint64);
    function hubs(uint256 from, uint256 max) external view returns (Hub[] memory);
    function hubCount() external view returns (uint256);
}
