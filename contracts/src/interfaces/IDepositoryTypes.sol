// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Structs, errors and events of the Depository (IDepository). Byte formats: docs/encodings.md.
interface IDepositoryTypes {
    enum TokenKind { Eth, Erc20, Erc721, Erc1155 }

    /// Token 0 is native ETH. `id` is the NFT or ERC-1155 id, else 0.
    struct TokenInfo { TokenKind kind; address token; uint256 id; }
    /// A leaf of a state: `signature` is by the other side, over the ChannelState digest.
    struct StateProof { uint64 nonce; bytes32 bodyHash; bytes32[] path; bytes signature; }
    struct DebtEntry { uint64 index; bytes32 creditor; uint128 amount; }
    /// `gasUsed`: by the hub's batches since it registered.
    struct Hub { bytes32 entity; string uri; uint160 gasUsed; }

    // Errors. (s): a batch may skip an operation that fails with it (docs/encodings.md).
    error InvalidEntity();
    /// `left` must be smaller than `right`; a channel has two different ends.
    error InvalidChannel();
    error ZeroAmount();
    /// Amounts, collateral and |ondelta| stay below 2^127.
    error AmountOutOfRange();
    error UnknownToken();
    error WrongTokenKind();
    /// (s) A token answered false or reverted, or took more than it was told to; or ETH was not accepted.
    error TransferFailed();
    error UnexpectedTransfer();
    error Reentered();
    /// (s)
    error InsufficientReserve();
    /// (s)
    error InsufficientCollateral();
    /// (s) An outflow while debts of that token remain: call enforceDebts first.
    error DebtsOutstanding(bytes32 entity, uint32 token);
    error NotTheCreditor();
    error Unauthorized(bytes32 entity);
    /// (s) Also of a signature over an epoch, settlement nonce or batch nonce that has moved.
    error InvalidSignature(bytes32 entity);
    /// (s)
    error Expired();
    error MalformedBody();
    error MalformedUpdate();
    error MalformedFundings();
    error MalformedBatch();
    error FillsTooLong();
    /// (s)
    error DisputeRunning();
    /// (s)
    error NoDispute();
    /// (s) The given dispute is not the one that runs.
    error DisputeMismatch();
    error BodyMismatch();
    error FillsMismatch();
    /// (s)
    error NonceNotNewer();
    /// (s)
    error AlreadyAnswered();
    /// (s)
    error DeadlinePassed();
    /// (s) Before the deadline only by or after the non-starter's answer.
    error TooEarly();
    /// (s) A clause of the body is undecided (section 7).
    error PaymentPending(uint40 until);
    /// Too little gas to give a clause its full bound (rule 28), or an operation that may be skipped its own.
    error NotEnoughGas();
    /// The ETH of a batch's operations does not sum to what was sent.
    error WrongValue();
    /// An operation of a batch failed with `reason`, and may not be skipped.
    error OperationFailed(uint256 index, bytes reason);
    /// `flash` outside of a batch.
    error OnlyInBatch();
    /// While borrowed within a batch, a token does not leave the Depository.
    error FlashOpen(uint32 token);
    error UriTooLong();
    /// The extension is code of a Depository, and holds nothing itself.
    error OnlyDelegated();
    /// The EntityProvider's grace is below twice the dispute window.
    error GraceTooShort(uint40 grace);

    event TokenRegistered(uint32 indexed token, TokenKind kind, address contractAddress, uint256 id);
    /// `u32 token << 128 | u128 reserve`; from 2^128 - 1 on a reserve is shown as that.
    event ReserveUpdated(bytes32 indexed entity, uint256 tokenAndReserve);
    /// Collateral was added. `bucket = i128 ondelta << 128 | u128 collateral`.
    event CollateralUpdated(bytes32 indexed left, bytes32 indexed right, uint32 token, uint256 bucket);
    /// A co-signed update, once for each of its tokens, after it was applied; once with flag 1 clear if it has none.
    /// `head = flags << 96 | u32 epoch << 64 | u32 settlementNonce << 32 | u32 token`; flags 1: there is a token;
    /// 2 / 4: left's / right's reserve of it changed. `reserves = u128 left << 128 | u128 right` as in ReserveUpdated, 0 for one
    /// that did not change. `bucket` as in CollateralUpdated.
    event Settled(bytes32 indexed left, bytes32 indexed right, uint256 head, uint256 bucket, uint256 reserves);
    /// A dispute or a cooperative close ended the epoch, once for each of its tokens, or once with flag 1 clear. As in
    /// Settled; `epoch` is the new one, and the token's collateral and ondelta are 0 now.
    event ChannelClosed(bytes32 indexed left, bytes32 indexed right, uint256 head, uint256 reserves);
    /// `dispute`: docs/encodings.md.
    event DisputeStarted(bytes32 indexed left, bytes32 indexed right, uint32 epoch, bytes dispute, bytes starterFills);
    /// The body of an empty-state start, just after its DisputeStarted.
    event EmptyState(bytes32 indexed left, bytes32 indexed right, bytes body);
    event DisputeAnswered(bytes32 indexed left, bytes32 indexed right, uint32 epoch, bytes dispute, bytes answererFills);
    event DebtCreated(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 amount);
    event DebtPaid(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 paid, uint128 remaining);
    event DebtForgiven(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 amount);
    /// An operation of the entity's running batch failed for a reason that others can cause; its error's selector.
    event OperationSkipped(bytes32 indexed entity, uint256 index, bytes4 reason);
    /// The batch of `operations` operations ended. `nonce` is the entity's next one; an unsigned batch uses none.
    event BatchProcessed(bytes32 indexed entity, uint64 nonce, uint256 operations, uint256 skipped);
    event HubRegistered(bytes32 indexed entity, string uri);
}
