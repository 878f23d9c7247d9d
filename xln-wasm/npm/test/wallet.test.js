import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Key, MemoryStore, Wallet, XlnError, replay, secretHash } from 'xln-wasm';

import { Net } from './net.js';
import { balance, befriend, bytes, config, key, token, tokenOf, until } from './wallets.js';

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

test('the log of a store replays to the agreed root, and a damaged one does not', async (t) => {
  const { net, a, b } = await pair(t);
  for (let amount = 1n; amount <= 10n; amount += 1n) await a.wallet.pay({ ...place(b), token, amount });
  const { snapshot, records } = await a.wallet.log();
  const steps = replay(a.wallet.entity, records, snapshot);
  const { stateRoot } = await a.wallet.channel(b.wallet.entity);
  assert.deepEqual(steps.at(-1).roots, [{ peer: b.wallet.entity, root: stateRoot }]);
  const [first, ...rest] = records;
  assert.throws(() => replay(a.wallet.entity, rest, snapshot), (error) => error instanceof XlnError);
  first[first.length - 1] ^= 1;
  assert.throws(() => replay(a.wallet.entity, [first, ...rest], snapshot), (error) => error instanceof XlnError);
  // The store itself notices one bit of one row.
  await a.wallet.close();
  const [[row, value]] = await a.store.scan(new TextEncoder().encode('r'));
  const damaged = value.slice();
  damaged[7] ^= 1;
  await a.store.commit([[row, damaged]]);
  await assert.rejects(net.open(1, { store: a.store }), code('store'));
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

test('a swap over two chains', async (t) => {
  const net = new Net();
  const there = { chain: 2n, depository: `0x${'d2'.repeat(20)}` };
  const depositories = [config.depositories[0], { ...config.depositories[0], key: there }];
  const [a, b] = [await net.open(1, { depositories }), await net.open(2, { depositories })];
  t.after(() => assert.deepEqual(net.failures, []));
  await net.connect(a.wallet, b.wallet);
  await befriend(a.wallet, b.wallet, 1000n);
  await befriend(a.wallet, b.wallet, 1000n, there);
  const now = BigInt(Math.floor(Date.now() / 1000));
  const [give, want] = [{ key, token, amount: 70n }, { key: there, token, amount: 30n }];
  const consent = { receive: give, pay: want, until: now + 600n, payExpiry: now + 30_000n };
  await b.wallet.acceptCrossSwap(a.wallet.entity, consent);
  const offer = { give: { sum: give, expiry: now + 40_000n }, want: { sum: want, expiry: now + 20_000n } };
  const secret = `0x${'5e'.repeat(32)}`;
  await assert.rejects(a.wallet.crossSwap(b.wallet.entity, { ...offer, kind: 'keccak256' }), code('invalid_argument'));
  const command = await a.wallet.crossSwap(b.wallet.entity, { ...offer, kind: 'keccak256', secret });
  assert.equal(typeof command, 'bigint');
  const hash = secretHash(secret, 'keccak256');
  for (const { events } of [a, b]) {
    const done = await until(() => events.find((event) => event.type.startsWith('crossSwap')), 'the swap ends');
    assert.deepEqual([done.type, done.hash], ['crossSwapDone', hash]);
  }
  const { subchannels, side } = await a.wallet.channel(b.wallet.entity);
  const moved = subchannels.map(({ tokens }) => (side === 'left' ? tokens[0].capacities.delta : -tokens[0].capacities.delta));
  assert.deepEqual(moved, [-70n, 30n]);
});

test('facts of a chain', async (t) => {
  const { a, b } = await pair(t);
  const { side, subchannels } = await a.wallet.channel(b.wallet.entity);
  assert.equal(subchannels[0].confirmed, undefined);
  const [left, right] = side === 'left' ? [a, b] : [b, a];
  const names = { left: left.wallet.entity, right: right.wallet.entity };
  const hash = (number) => `0x${number.toString(16).padStart(64, '0')}`;
  const block = (number, changes) => {
    const point = { chain: key.chain, number, hash: hash(number), timestamp: 1_700_000_000n + number };
    return { block: { point, changes, reveals: [], facts: [], entities: [] } };
  };
  const locked = { token, collateral: 1n << 70n, ondelta: 1n << 69n };
  const facts = [block(7n, []), block(8n, [{ key, pair: names, kind: { collateral: locked } }])];
  for (const { wallet } of [a, b]) await wallet.handleFacts(facts, 'cursor', Uint8Array.of(8));
  assert.deepEqual(await a.wallet.kept('cursor'), Uint8Array.of(8));
  assert.equal(await a.wallet.kept('other'), undefined);
  // Both wallets agree on what both have seen.
  await until(async () => (await tokenOf(b.wallet, a.wallet.entity)).state.collateral === locked.collateral, 'agreed');
  const [subchannel] = (await a.wallet.channel(b.wallet.entity)).subchannels;
  assert.deepEqual(subchannel.confirmed.tokens, [locked]);
  const zero = hash(0n);
  const dispute = { nonce: 1n, startedAt: 1_700_000_009n, starter: 'left', answered: false, answeredAt: 0n };
  const hashes = { bodyHash: hash(1n), starterFillsHash: zero, answererFillsHash: zero };
  const kind = { dispute: { epoch: 0, dispute: { ...dispute, ...hashes }, fills: '0x', body: '0x' } };
  await a.wallet.handleFacts([{ sighted: { change: { key, pair: names, kind } } }]);
  await assert.rejects(a.wallet.pay({ ...place(b), token, amount: 1n }), (error) => error.code.startsWith('refused.frozen'));
  await a.wallet.handleFacts([{ vanished: { key, pair: names } }]);
  await a.wallet.pay({ ...place(b), token, amount: 1n });
  await assert.rejects(a.wallet.handleFacts([{ block: 1 }]), code('invalid_argument'));
  await assert.rejects(a.wallet.handleFacts([block(9n, [{ key, pair: { left: names.left, right: names.left }, kind }])]), code('invalid_argument'));
});
