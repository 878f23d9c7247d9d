// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Money and disputes. Meaning: docs/protocol.md; byte formats: docs/encodings.md.
interface IDepository {
    enum TokenKind { Eth, Erc20, Erc721, Erc1155 }

    /// Token 0 is native ETH. `id` is the NFT or ERC-1155 id, else 0.
    struct TokenInfo { TokenKind kind; address token; uint256 id; }
    /// `amount` into the channel of `receiver` with `peer`, in favour of `receiver`.
    struct Funding { bytes32 receiver; bytes32 peer; uint128 amount; }
    /// A leaf of a state: `signature` is by the other side, over the ChannelState digest.
    struct StateProof { uint64 nonce; bytes32 bodyHash; bytes32[] path; bytes signature; }
    /// The whole of a running dispute; the channel stores only its hash.
    struct Dispute {
        uint64 nonce; uint40 startedAt; bool starterIsLeft;
        bool answered; uint40 answeredAt;
        bytes32 bodyHash; bytes32 starterFillsHash; bytes32 answererFillsHash; // keccak256(fills), 0 if fills is empty
    }
    struct DebtEntry { uint64 index; bytes32 creditor; uint128 amount; }

    // Errors.
    error InvalidEntity();
    /// `left` must be smaller than `right`; a channel has two different ends.
    error InvalidChannel();
    error ZeroAmount();
    /// Amounts, collateral and |ondelta| stay below 2^127.
    error AmountOutOfRange();
    error UnknownToken();
    error WrongTokenKind();
    /// A token answered false or reverted, or took more than it was told to.
    error TransferFailed();
    error UnexpectedTransfer();
    error Reentered();
    error InsufficientReserve();
    error InsufficientCollateral();
    /// An outflow while debts of that token remain: call enforceDebts first.
    error DebtsOutstanding(bytes32 entity, uint32 token);
    error NotTheCreditor();
    error Unauthorized(bytes32 entity);
    error InvalidSignature(bytes32 entity);
    error Expired();
    error MalformedBody();
    error MalformedUpdate();
    error FillsTooLong();
    error DisputeRunning();
    error NoDispute();
    /// The given dispute is not the one that runs.
    error DisputeMismatch();
    error BodyMismatch();
    error FillsMismatch();
    error NonceNotNewer();
    error AlreadyAnswered();
    error DeadlinePassed();
    /// Before the deadline only by or after the non-starter's answer.
    error TooEarly();
    /// A payment of the body is unrevealed and unexpired (section 7).
    error PaymentPending(uint40 until);
    /// Too little gas to give a clause its full bound (rule 28).
    error NotEnoughGas();

    event TokenRegistered(uint32 indexed token, TokenKind kind, address contractAddress, uint256 id);
    event ReserveUpdated(bytes32 indexed entity, uint32 indexed token, uint256 reserve);
    event CollateralUpdated(bytes32 indexed left, bytes32 indexed right, uint32 indexed token, uint128 collateral, int128 ondelta);
    event Settled(bytes32 indexed left, bytes32 indexed right, uint32 epoch, uint32 settlementNonce);
    event DisputeStarted(bytes32 indexed left, bytes32 indexed right, uint32 epoch, Dispute dispute, bytes starterFills);
    /// The body of an empty-state start, beside DisputeStarted.
    event EmptyState(bytes32 indexed left, bytes32 indexed right, bytes body);
    event DisputeAnswered(bytes32 indexed left, bytes32 indexed right, uint32 epoch, Dispute dispute, bytes answererFills);
    /// A dispute or a cooperative close ended; `epoch` is the new one.
    event ChannelClosed(bytes32 indexed left, bytes32 indexed right, uint32 epoch, uint32 settlementNonce);
    event DebtCreated(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 amount);
    event DebtPaid(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 paid, uint128 remaining);
    event DebtForgiven(bytes32 indexed debtor, uint32 indexed token, bytes32 indexed creditor, uint64 index, uint128 amount);

    // Deposits and withdrawals. `deposit` takes every kind but ETH; ERC-721: amount 1.
    function registerToken(TokenKind kind, address token, uint256 id) external returns (uint32);
    /// ETH. A plain transfer without calldata is a deposit of its sender, too.
    function depositEth(bytes32 entity) external payable;
    function deposit(bytes32 entity, uint32 token, uint256 amount) external;
    function withdraw(uint32 token, uint256 amount, address to) external;
    function reserveToReserve(bytes32 to, uint32 token, uint128 amount) external;
    function reserveToCollateral(uint32 token, Funding[] calldata fundings) external;

    // Co-signed. The caller's own signature may be empty.
    function cooperativeUpdate(bytes32 left, bytes32 right, uint64 expiry, bytes calldata update, bytes calldata leftSignature, bytes calldata rightSignature) external;
    function cooperativeClose(bytes32 left, bytes32 right, uint64 expiry, bytes calldata body, bytes calldata leftSignature, bytes calldata rightSignature) external;

    // Disputes. An empty `starterSignature`/`answererSignature` means: the caller is that entity.
    function startDispute(bytes32 starter, bytes32 peer, StateProof calldata proof, bytes calldata fills, uint64 expiry, bytes calldata starterSignature) external;
    function startEmptyDispute(bytes32 starter, bytes32 peer, uint32[] calldata tokens, uint64 expiry, bytes calldata starterSignature) external;
    /// The non-starter takes the shown state as it is.
    function acceptDispute(bytes32 left, bytes32 right, Dispute calldata dispute, bytes calldata fills, bytes calldata answererSignature) external;
    /// The non-starter shows a newer state signed by the starter.
    function counterDispute(bytes32 left, bytes32 right, Dispute calldata dispute, StateProof calldata proof, bytes calldata fills, bytes calldata answererSignature) external;
    /// Anyone shows a newer state that carries both signatures (`proof.signature` is left's).
    function counterDisputeWithBoth(bytes32 left, bytes32 right, Dispute calldata dispute, StateProof calldata proof, bytes calldata rightSignature) external;
    function finalizeDispute(bytes32 left, bytes32 right, Dispute calldata dispute, bytes calldata body, bytes calldata starterFills, bytes calldata answererFills) external;

    function enforceDebts(bytes32 entity, uint32 token, uint256 maxEntries) external returns (uint256 paid, uint256 remainingEntries);

    // Views.
    function entityProvider() external view returns (address);
    function disputeWindow() external view returns (uint40);
    function tokenCount() external view returns (uint32);
    function tokenInfo(uint32 token) external view returns (TokenInfo memory);
    function tokens(uint32 from, uint32 max) external view returns (TokenInfo[] memory);
    function tokenId(TokenKind kind, address token, uint256 id) external view returns (uint32); // 0 if unknown (and for ETH)
    function reserveOf(bytes32 entity, uint32 token) external view returns (uint128);
    function channel(bytes32 left, bytes32 right) external view returns (uint32 epoch, uint32 settlementNonce, bytes32 disputeHash);
    function collaterals(bytes32 left, bytes32 right, uint32[] calldata tokens) external view returns (uint128[] memory collateral, int128[] memory ondelta);
    /// Open entries of the queue from index `from` on, at most `max`.
    function debtsOf(bytes32 entity, uint32 token, uint64 from, uint64 max) external view returns (DebtEntry[] memory entries, uint64 head, uint64 tail);
    /// Sum of all open debts.
    function debtTotal(bytes32 entity, uint32 token) external view returns (uint256);
}
