// Wallets in one process, for tests.
import { Key, MemoryStore, Wallet } from 'xln-wasm';

import { config } from './wallets.js';

/** Their messages travel in microtasks; `cut` loses them. */
export class Net {
  wallets = new Map();
  cut = false;
  failures = [];

  sink(from) {
    return {
      send: async (to, message) => {
        const wallet = this.wallets.get(to);
        if (this.cut || wallet === undefined) throw new Error('not connected');
        const copy = message.slice();
        queueMicrotask(() => wallet.receive(from, copy).catch((error) => this.failures.push(error)));
      },
    };
  }

  /** A wallet of the key seed…seed; `more` overrides what it is given. */
  async open(seed, { depositories = config.depositories, ...more } = {}) {
    const secret = new Key(new Uint8Array(32).fill(seed));
    const store = more.store ?? new MemoryStore();
    const events = [];
    const host = { store, transport: this.sink(secret.entity), onEvent: (event) => events.push(event), ...more };
    const wallet = await Wallet.open(secret, host, { ...config, depositories });
    this.wallets.set(wallet.entity, wallet);
    return { wallet, store, events, secret };
  }

  async connect(one, other) {
    await Promise.all([one.connected(other.entity), other.connected(one.entity)]);
  }
}
