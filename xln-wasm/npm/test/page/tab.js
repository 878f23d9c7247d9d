// A wallet in a tab or a worker: in IndexedDB, over the relay.
import { IndexedDbStore, Key, Wallet, WebSocketTransport, init } from '../../dist/esm/web.js';
import { balance, config, key, token, until } from '../wallets.js';

let wallet, transport, store;
const events = [];

export const tab = {
  /** Opens the wallet of a seed and gives its entity. */
  async start(seed, relay) {
    await init();
    const secret = new Key(new Uint8Array(32).fill(seed));
    store = await IndexedDbStore.open(`wallet-${secret.entity}`);
    transport = new WebSocketTransport(`${relay}/?entity=${secret.entity}`, { retryMs: 50 });
    wallet = await Wallet.open(secret, { store, transport, onEvent: (event) => events.push(event.type) }, config);
    transport.start(wallet);
    return wallet.entity;
  },
  async befriend(peer, limit) {
    const place = { peer, key };
    await wallet.openChannel({ ...place, providers: config.depositories[0].providers, settleMarginS: 600n });
    await wallet.addToken({ ...place, token });
    await wallet.grantCredit({ ...place, token, limit });
  },
  grant: async (peer, limit) => void (await wallet.grantCredit({ peer, key, token, limit })),
  pay: async (peer, amount) => (await wallet.pay({ peer, key, token, amount })).command,
  queue: (peer, amount) => wallet.queuePayment({ peer, key, token, amount }),
  agreed: async (command) => (await wallet.agreed(command)).command,
  balance: (peer) => balance(wallet, peer),
  root: async (peer) => (await wallet.channel(peer)).stateRoot,
  /** Waits until nothing is under way with a peer. */
  settled: (peer) => until(async () => {
    const channel = await wallet.channel(peer);
    return channel !== undefined && !channel.inFlight && channel.queued === 0n;
  }, 'settled'),
  events: () => events,
  async stop() {
    transport.stop();
    await wallet.close();
    store.close();
  },
};
globalThis.tab = tab;
