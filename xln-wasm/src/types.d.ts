/** The part of a channel that one Depository on one chain enforces. */
export interface SubchannelKey {
  /** EIP-155 chain id. */
  chain: bigint;
  depository: Hex;
}
/** A Depository that a wallet accepts, pinned with what it was found to promise. */
export interface AcceptedDepository {
  key: SubchannelKey;
  /** Its dispute window, in seconds. */
  windowS: bigint;
  /** The EntityProvider that it asks who may sign. */
  entityProvider: Hex;
  /** How long that keeps a replaced board valid for channel states, in seconds. */
  graceS: bigint;
  /** SubcontractProviders that this wallet trusts to judge its payments and swaps in a dispute. */
  providers: Hex[];
  /** The largest settle margin that it accepts, in seconds. */
  maxSettleMarginS: bigint;
}
/** What a wallet promises and expects in all its channels. What is left out has the value that the core finds right. */
export interface ChannelConfig {
  depositories?: AcceptedDepository[];
  /** Blocks without an answer are sent again after this, in seconds. */
  resendS?: bigint;
  /** A peer that does not answer for this long is reported, in seconds. */
  peerTimeoutS?: bigint;
  /** Whether it counters, settles, cancels, reveals and finalizes by itself. */
  vigilant?: boolean;
  /** How long before a payment's expiry its beneficiary reveals on chain, in seconds. */
  revealMarginS?: bigint;
  /** By how much the first leg of a cross-chain swap must outlive the second, in seconds. */
  crossGapS?: bigint;
  /** The shortest dispute window that it accepts, in seconds. */
  minWindowS?: bigint;
  /** How many channels strangers and this wallet may open in all. */
  maxChannels?: number;
  /** Onions that it remembers for each peer that brought them. */
  maxOnions?: number;
}
/** What moves in one token, in its base unit. The change of collateral is what makes the sum zero. */
export interface TokenDiff {
  token: number;
  /** Change of left's reserve. */
  left: bigint;
  /** Change of right's reserve. */
  right: bigint;
  ondelta: bigint;
}
/** A debt between the two that is forgiven. */
export interface Forgiven {
  token: number;
  debtor: Side;
  /** The debt's place in the debtor's queue. */
  index: bigint;
}
/** The content of a settlement; both lists strictly ascending. */
export interface SettlementUpdate {
  diffs?: TokenDiff[];
  forgiven?: Forgiven[];
}
/** All that a Depository needs to know of a signed state: what a party keeps to defend itself. */
export interface Evidence {
  key: SubchannelKey;
  epoch: number;
  nonce: bigint;
  /** The encoded proof body. */
  body: Hex;
  /** Merkle path from the subchannel's leaf to the root. */
  path: Hex[];
  root: Hex;
  left?: Hex;
  right?: Hex;
}
/** What a party gives with its start or answer. */
export interface DisputeArguments {
  /** A state to show instead of the latest one. */
  evidence?: Evidence;
  /** Encoded fills of the peer's offers. */
  fills?: Hex;
  /** The body to reveal, if this wallet does not hold it. */
  body?: Hex;
}
/** One block of one chain. */
export interface ChainPoint {
  chain: bigint;
  number: bigint;
  hash: Hex;
  timestamp: bigint;
}
/** A running dispute, as the Depository keeps it. */
export interface DisputeFact {
  nonce: bigint;
  startedAt: bigint;
  starter: Side;
  answered: boolean;
  answeredAt: bigint;
  bodyHash: Hex;
  starterFillsHash: Hex;
  answererFillsHash: Hex;
}
/** All facts of one subchannel at one block. */
export interface SubchannelFacts {
  epoch: number;
  settlementNonce: number;
  dispute?: DisputeFact;
  tokens: { token: number; collateral: bigint; ondelta: bigint }[];
}
/** Balances, limits and holds of one token as both agreed, in its base unit. */
export interface TokenState {
  addedBy: Side;
  collateral: bigint;
  ondelta: bigint;
  offdelta: bigint;
  leftLimit: bigint;
  rightLimit: bigint;
  leftHold: bigint;
  rightHold: bigint;
}
/** Something that is pending in a channel. */
export type Pending =
  | {
      type: 'payment';
      payer: Side;
      token: number;
      amount: bigint;
      kind: HashKind;
      hash: Hex;
      expiry: bigint;
      onion: Hex;
      revealedAt?: bigint;
    }
  | {
      type: 'swap';
      maker: Side;
      giveToken: number;
      give: bigint;
      wantToken: number;
      want: bigint;
      remaining: bigint;
      minFill: bigint;
      expiry: bigint;
    }
  | {
      type: 'subcontract';
      author: Side;
      provider: Hex;
      instrument: number;
      tokens: number[];
      terms: Hex;
      holds: { left: bigint; right: bigint }[];
      asks: { key: Hex; until: bigint; answer?: { at: bigint; value: bigint } }[];
      last: bigint;
    };
/** The settlement or close that is open. */
export interface OpenSettlement {
  id: bigint;
  proposer: Side;
  expiry: bigint;
  action: ({ type: 'update' } & Required<SettlementUpdate>) | { type: 'close' };
}
/** What a wallet asks to be done on chain. `call` names it; its fields are those of the contracts' functions. */
export interface ChainAction {
  key: SubchannelKey;
  pair: { left: Hex; right: Hex };
  call: { type: string } & Record<string, unknown>;
}
/** A transaction to be sent: what `eth_sendTransaction` takes, without fees. */
export interface CallRequest {
  chain: bigint;
  to: Hex;
  /** In wei. */
  value: bigint;
  data: Hex;
  /** Whether only the entity's own account may send it. */
  byEntity: boolean;
}
/** What a remote signer is asked. */
export interface SignRequest {
  peer: Hex;
  purpose: { type: 'proposal' | 'ack' | 'reject' | 'settlement' } & Record<string, unknown>;
  /** A digest of EIP-712: sign this and nothing derived from it. */
  digest: Hex;
}
/** What happened. All but failures of the host itself is durable when it is told. */
export type WalletEvent =
  | { type: 'committed'; peer: Hex; height: bigint; proposer: Side }
  | { type: 'commandDone'; command: bigint; subcontract?: bigint }
  | { type: 'commandFailed'; command: bigint; error: string }
  | { type: 'rejected'; from: Hex; reason: string }
  | { type: 'refused'; peer: Hex; reason: string }
  | { type: 'unresponsive'; peer: Hex }
  | { type: 'disputeSeen'; peer: Hex; key: SubchannelKey; shown: bigint; best: bigint }
  | { type: 'alarm'; peer: Hex; key: SubchannelKey }
  | { type: 'signerLapsing'; peer: Hex; until: bigint }
  | { type: 'disputeDue'; peer: Hex; key: SubchannelKey; until: bigint }
  | { type: 'settlementReady'; peer: Hex; key: SubchannelKey; id: bigint }
  | { type: 'crossSwapDone'; peer: Hex; hash: Hex }
  | { type: 'crossSwapUnwound'; peer: Hex; hash: Hex; reason: string }
  | { type: 'crossSwapTorn'; peer: Hex; hash: Hex; first?: boolean; second?: boolean }
  | { type: 'paymentEnded'; peer: Hex; payment: EndedPayment }
  | { type: 'submit'; effect: bigint; action: ChainAction; call?: CallRequest }
  | { type: 'signRequested'; effect: bigint; request: SignRequest }
  | { type: 'signFailed'; effect: bigint; reason: string }
  | { type: 'sendFailed'; to: Hex; reason: string }
  | { type: 'poisoned'; reason: string }
  | { type: 'missed'; count: bigint };
/** A payment that has ended, with its secret, or with what its beneficiary says. */
export interface EndedPayment {
  key: SubchannelKey;
  id: bigint;
  outgoing: boolean;
  amount: bigint;
  kind: HashKind;
  hash: Hex;
  end: { type: 'settled' | 'failed'; value: Hex } | { type: 'takenBack' };
}
/** An effect that has not come to its end. */
export interface PendingEffect {
  id: bigint;
  effect: { type: 'send' | 'submit' | 'sign' } & Record<string, unknown>;
  call?: CallRequest;
}
/** A key that is elsewhere. */
export interface RemoteSigner {
  /** For whom it signs. */
  readonly entity: Hex;
  /** Signs: 64 bytes (`r`, `s` with the parity in its top bit) or 65 (`r`, `s`, `v`). It is asked again if it rejects. */
  sign(request: SignRequest): Promise<Uint8Array>;
}
/** Where a wallet is kept; see the class `IndexedDbStore`. */
export interface WalletStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  scan(prefix: Uint8Array): Promise<(readonly [key: Uint8Array, value: Uint8Array])[]>;
  commit(batch: [key: Uint8Array, value: Uint8Array | null][]): Promise<void>;
}
/** What the app brings to a wallet. */
export interface WalletHost {
  store: WalletStore;
  /** The way to its peers. */
  transport: { send(to: Hex, bytes: Uint8Array): Promise<void> };
  /** Unix time in seconds; the page's clock if left out. */
  now?: () => bigint;
  /** Is told what happens. It must return soon and wait for no call of the same wallet. */
  onEvent?: (event: WalletEvent) => void;
  /** After how many records a snapshot replaces them. */
  snapshotEvery?: bigint;
}
/** In whose channel, and in which subchannel of it. */
export interface Place {
  peer: Hex;
  key: SubchannelKey;
}
/** A command that stands in an agreed block. */
export interface Agreed {
  command: bigint;
  /** The id of the payment, swap, settlement or close that it made. */
  id?: bigint;
}
/** A leg of a cross-chain swap. */
export interface CrossSum {
  key: SubchannelKey;
  token: number;
  amount: bigint;
}
/** A leg of a cross-chain swap and the last second at which it can be settled. */
export interface CrossLeg {
  sum: CrossSum;
  expiry: bigint;
}
/** What the initiator of a cross-chain swap asks for. Its own lock must expire later than the other one, by the gap at least. */
export interface CrossSwapOffer {
  give: CrossLeg;
  want: CrossLeg;
  kind: HashKind;
  /** What opens both: random, and never used before. */
  secret: Hex;
}
/** What a responder lets its peer begin, once. */
export interface CrossSwapConsent {
  receive: CrossSum;
  pay: CrossSum;
  /** Last second at which this side locks. */
  until: bigint;
  /** The latest expiry of its own lock: until then the peer may choose whether to take it. */
  payExpiry: bigint;
}
/** A routed payment that a wallet settles by itself when it arrives: the recipient's side of an invoice. */
export interface ExpectedPayment {
  key: SubchannelKey;
  token: number;
  /** How much at least. */
  amount: bigint;
  kind: HashKind;
  secret: Hex;
  /** After this it is forgotten. */
  until: bigint;
}
/** What changed in a subchannel, with the whole new value. */
export type ChangeKind =
  | { collateral: { token: number; collateral: bigint; ondelta: bigint } }
  | { settled: { epoch: number; settlementNonce: number } }
  | { dispute: { epoch: number; dispute: DisputeFact; fills: Hex; body: Hex } }
  | { closed: { epoch: number; settlementNonce: number } };
/** A change of one subchannel. */
export interface ChainChange {
  key: SubchannelKey;
  pair: { left: Hex; right: Hex };
  kind: ChangeKind;
}
/** What an EntityProvider says about who signs for an entity. */
export type EntityFact =
  | { board: { provider: Hex; entity: Hex; board: Hex; previous: Hex; previousValidUntil: bigint } }
  | { revoked: { provider: Hex; entity: Hex; delegation: Hex; validUntil: bigint } };
/** What a watcher of a chain reports, in order: every confirmed block, also an empty one, and what is sighted before. */
export type ChainFact =
  | {
      block: {
        point: ChainPoint;
        changes: ChainChange[];
        reveals: { provider: Hex; kind: HashKind; secret: Hex; at: bigint }[];
        facts: { provider: Hex; key: Hex; at: bigint; value: bigint }[];
        entities: EntityFact[];
      };
    }
  | { sighted: { change: ChainChange } }
  | { vanished: { key: SubchannelKey; pair: { left: Hex; right: Hex } } }
  | { reorganised: { chain: bigint; number: bigint } };
