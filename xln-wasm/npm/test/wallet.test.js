import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Key, MemoryStore, Wallet, XlnError, replay, secretHash } from 'xln-wasm';

import { balance, befriend, bytes, config, key, token, tokenOf } from './wallets.js';

/** Wallets in one process whose messages travel in microtasks; `cut` loses them. */
class Net {
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

  async open(seed, more = {}) {
    const secret = new Key(new Uint8Array(32).fill(seed));
    const store = more.store ?? new MemoryStore();
    const events = [];
    const host = { store, transport: this.sink(secret.entity), onEvent: (event) => events.push(event), ...more };
    const wallet = await Wallet.open(secret, host, config);
    this.wallets.set(wallet.entity, wallet);
    return { wallet, store, events, secret };
  }

  async connect(one, other) {
    await Promise.all([one.connected(other.entity), other.connected(one.entity)]);
  }
}

async function pair(t) {
  const net = new Net();
  const [a, b] = [await net.open(1), await net.open(2)];
  t.after(() => assert.deepEqual(net.failures, []));
  await net.connect(a.wallet, b.wallet);
  await befriend(a.wallet, b.wallet, 1000n);
  return { net, a, b };
}

const place = (other) => ({ peer: other.wallet.entity, key });
const code = (expected) => (error) => {
  assert.ok(error instanceof XlnError, `${error}`);
  assert.equal(error.code, expected);
  return true;
};

test('two wallets pay each other', async (t) => {
  const { a, b } = await pair(t);
  await a.wallet.pay({ ...place(b), token, amount: 300n });
  await b.wallet.pay({ ...place(a), token, amount: 50n });
  assert.equal(await balance(a.wallet, b.wallet.entity), -250n);
  const [mine, theirs] = [await a.wallet.channel(b.wallet.entity), await b.wallet.channel(a.wallet.entity)];
  assert.equal(mine.stateRoot, theirs.stateRoot);
  assert.equal(mine.digest, theirs.digest);
  const { capacities } = await tokenOf(a.wallet, b.wallet.entity);
  assert.equal(capacities.outCapacity, 750n);
  assert.equal(capacities.inCapacity, 1250n);
  assert.ok(a.events.some((event) => event.type === 'committed' && event.peer === b.wallet.entity));
  const event = await a.wallet.nextEvent();
  assert.equal(typeof event.type, 'string');
});

test('a payment that a secret settles, and an offer that is filled', async (t) => {
  const { a, b } = await pair(t);
  const secret = `0x${'ab'.repeat(32)}`;
  const now = BigInt(Math.floor(Date.now() / 1000));
  const lock = { token, amount: 70n, kind: 'keccak256', hash: secretHash(secret, 'keccak256'), expiry: now + 7200n };
  const id = await a.wallet.lock({ ...place(b), ...lock });
  const [waiting] = (await b.wallet.channel(a.wallet.entity)).subchannels[0].pending;
  assert.equal(waiting.id, id);
  assert.deepEqual([waiting.what.type, waiting.what.amount, waiting.what.hash], ['payment', 70n, lock.hash]);
  const [deadline] = await a.wallet.deadlines();
  assert.deepEqual([deadline.kind, deadline.id, deadline.at], ['payment', id, lock.expiry]);
  await b.wallet.settle({ ...place(a), id, secret });
  assert.equal(await balance(a.wallet, b.wallet.entity), -70n);
  await a.wallet.addToken({ ...place(b), token: 2 });
  await b.wallet.grantCredit({ ...place(a), token: 2, limit: 500n });
  const offer = { giveToken: 2, give: 100n, wantToken: token, want: 10n, minFill: 10n, expiry: now + 7200n };
  const offered = await a.wallet.offer({ ...place(b), ...offer });
  await b.wallet.fill({ ...place(a), id: offered, fill: 40n });
  await a.wallet.cancelOffer({ ...place(b), id: offered });
  assert.equal(await balance(a.wallet, b.wallet.entity), -66n);
});

test('errors have codes, and change nothing', async (t) => {
  const { a, b } = await pair(t);
  const agreed = async () => (await a.wallet.channel(b.wallet.entity)).stateRoot;
  const root = await agreed();
  const pay = (more) => a.wallet.pay({ ...place(b), token, amount: 1n, ...more });
  await assert.rejects(pay({ amount: 1001n }), code('refused.transition.insufficient_capacity'));
  await assert.rejects(pay({ amount: -1n }), code('invalid_argument'));
  await assert.rejects(pay({ amount: 1n << 128n }), code('invalid_argument'));
  await assert.rejects(pay({ amount: 1 }), code('invalid_argument'));
  await assert.rejects(pay({ amount: undefined }), code('invalid_argument'));
  await assert.rejects(pay({ token: 1.5 }), code('invalid_argument'));
  await assert.rejects(pay({ peer: '0x12' }), code('invalid_argument'));
  await assert.rejects(a.wallet.pay(undefined), code('invalid_argument'));
  await assert.rejects(Wallet.open(a.secret, { store: new MemoryStore() }, config), code('invalid_argument'));
  assert.equal(await agreed(), root);
});

test('a wallet comes back from its store, and from nothing else', async (t) => {
  const { net, a, b } = await pair(t);
  await a.wallet.pay({ ...place(b), token, amount: 5n });
  const [root, state] = [await a.wallet.machineRoot(), (await a.wallet.channel(b.wallet.entity)).stateRoot];
  await a.wallet.close();
  await assert.rejects(a.wallet.channels(), code('closed'));
  const again = await net.open(1, { store: a.store });
  assert.equal((await again.wallet.channel(b.wallet.entity)).stateRoot, state);
  await b.wallet.disconnected(a.wallet.entity);
  await net.connect(again.wallet, b.wallet);
  await b.wallet.pay({ peer: again.wallet.entity, key, token, amount: 2n });
  assert.equal(await balance(again.wallet, b.wallet.entity), -3n);
  assert.notEqual(await again.wallet.machineRoot(), root);
  await assert.rejects(net.open(3, { store: a.store }), (error) => error instanceof XlnError);
});

test('the records of a store replay to the agreed root', async (t) => {
  const { a, b } = await pair(t);
  for (let amount = 1n; amount <= 10n; amount += 1n) await a.wallet.pay({ ...place(b), token, amount });
  const rows = await a.store.scan(new TextEncoder().encode('r'));
  const order = (x, y) => Buffer.compare(Buffer.from(x[0]), Buffer.from(y[0]));
  const steps = replay(a.wallet.entity, [...rows].sort(order).map(([, value]) => value));
  const { stateRoot } = await a.wallet.channel(b.wallet.entity);
  assert.deepEqual(steps.at(-1).roots, [{ peer: b.wallet.entity, root: stateRoot }]);
  const [first, ...rest] = [...rows].sort(order).map(([, value]) => value);
  assert.throws(() => replay(a.wallet.entity, rest), (error) => error instanceof XlnError);
  first[first.length - 1] ^= 1;
  assert.throws(() => replay(a.wallet.entity, [first, ...rest]), (error) => error instanceof XlnError);
});

test('a store that fails stops the wallet, and nothing is lost', async (t) => {
  const net = new Net();
  const store = new MemoryStore();
  const broken = { get: (key) => store.get(key), scan: (prefix) => store.scan(prefix), commit: (batch) => store.commit(batch) };
  const [a, b] = [await net.open(1, { store: broken }), await net.open(2)];
  await net.connect(a.wallet, b.wallet);
  await befriend(a.wallet, b.wallet, 1000n);
  broken.commit = async () => {
    throw new Error('the disk is full');
  };
  await assert.rejects(a.wallet.pay({ ...place(b), token, amount: 9n }), /the disk is full/);
  await assert.rejects(a.wallet.pay({ ...place(b), token, amount: 9n }), (error) => error.code.startsWith('poisoned'));
  assert.ok(a.events.some((event) => event.type === 'poisoned'));
  const again = await net.open(1, { store });
  await b.wallet.disconnected(again.wallet.entity);
  await net.connect(again.wallet, b.wallet);
  await again.wallet.pay({ ...place(b), token, amount: 4n });
  assert.equal(await balance(again.wallet, b.wallet.entity), -4n);
});

test('a backup goes into an empty store', async (t) => {
  const { net, a, b } = await pair(t);
  await a.wallet.pay({ ...place(b), token, amount: 5n });
  const backup = await a.wallet.backup();
  await a.wallet.close();
  const store = new MemoryStore();
  await Wallet.restoreBackup(store, a.wallet.entity, config, backup);
  const again = await net.open(1, { store });
  await b.wallet.disconnected(again.wallet.entity);
  await net.connect(again.wallet, b.wallet);
  await again.wallet.pay({ ...place(b), token, amount: 1n });
  assert.equal(await balance(again.wallet, b.wallet.entity), -6n);
  backup[40] ^= 1;
  await assert.rejects(Wallet.restoreBackup(new MemoryStore(), a.wallet.entity, config, backup), code('backup.damaged'));
});

test('a key that is elsewhere', async (t) => {
  const net = new Net();
  const secret = new Key(new Uint8Array(32).fill(9));
  const asked = [];
  const signer = {
    entity: secret.entity,
    sign: async ({ digest, purpose }) => {
      asked.push(purpose.type);
      return secret.sign(bytes(digest));
    },
  };
  const host = { store: new MemoryStore(), transport: net.sink(secret.entity) };
  const far = await Wallet.openWith(signer, host, config);
  net.wallets.set(far.entity, far);
  const near = await net.open(2);
  await net.connect(far, near.wallet);
  await befriend(far, near.wallet, 100n);
  await near.wallet.pay({ peer: far.entity, key, token, amount: 7n });
  assert.equal(await balance(far, near.wallet.entity), 7n);
  assert.ok(asked.includes('proposal') && asked.includes('ack'), `${asked}`);
});
