// Compiled, never run: the declarations say what the package does, and refuse what it refuses.
import {
  IndexedDbStore,
  Key,
  MemoryStore,
  Wallet,
  WebSocketTransport,
  XlnError,
  bar,
  deriveDelta,
  init,
  type ChannelInfo,
  type Delta,
  type Hex,
  type KvStore,
  type WalletEvent,
} from 'xln-wasm';
import * as lite from 'xln-wasm/lite';

const delta: Delta = {
  collateral: 1n,
  ondelta: 0n,
  offdelta: 0n,
  leftCreditLimit: 0n,
  rightCreditLimit: 0n,
  leftAllowance: 0n,
  rightAllowance: 0n,
};
export const capacity: bigint = deriveDelta(delta, 'left').outCapacity;
export const drawn: string = bar(delta, 'right', 40);
export const address: Hex = lite.recoverAddress(new Uint8Array(32), new Uint8Array(64));
// @ts-expect-error an amount is a bigint
deriveDelta({ ...delta, collateral: 1 }, 'left');
// @ts-expect-error there are two sides
deriveDelta(delta, 'middle');
// @ts-expect-error the small entry has no wallet
lite.Wallet;

class Own implements KvStore {
  readonly #inner = new MemoryStore();
  get = (key: Uint8Array) => this.#inner.get(key);
  scan = (prefix: Uint8Array) => this.#inner.scan(prefix);
  commit = (batch: Parameters<KvStore['commit']>[0]) => this.#inner.commit(batch);
}

export function told(event: WalletEvent): string {
  switch (event.type) {
    case 'committed':
      return `${event.peer} ${event.height + 1n}`;
    case 'submit':
      return event.call?.data ?? event.action.call.type;
    case 'paymentEnded':
      return event.payment.end.type === 'takenBack' ? 'back' : event.payment.end.value;
    default:
      return event.type;
  }
}

export async function run(peer: Hex): Promise<bigint | undefined> {
  await init();
  const key = new Key(new Uint8Array(32).fill(1));
  const transport = new WebSocketTransport('wss://relay.example', { retryMs: 100 });
  const stores: KvStore[] = [new Own(), new MemoryStore(), await IndexedDbStore.open('wallet')];
  const [store] = stores;
  if (store === undefined) return undefined;
  const wallet = await Wallet.open(key, { store, transport, onEvent: (event) => void told(event) }, {});
  transport.start(wallet);
  const place = { peer, key: { chain: 1n, depository: peer } };
  try {
    const { id } = await wallet.pay({ ...place, token: 1, amount: 5n });
    // @ts-expect-error an amount is a bigint
    await wallet.pay({ ...place, token: 1, amount: 5 });
    // @ts-expect-error a payment says how much
    await wallet.pay({ ...place, token: 1 });
    return id;
  } catch (error) {
    if (error instanceof XlnError && error.code === 'closed') return undefined;
    throw error;
  }
}

export function total(info: ChannelInfo): bigint {
  return info.subchannels.flatMap((part) => part.tokens).reduce((sum, { capacities }) => sum + capacities.inCapacity, 0n);
}
