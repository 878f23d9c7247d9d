// What is taken for a value and what is not: every field of every kind of value that a page hands in, with what it must refuse.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { Key, MemoryStore, Wallet, XlnError, cooperativeUpdateDigest, deriveDelta, subchannelLeaf } from 'xln-wasm';

import { Net } from './net.js';
import { config } from './wallets.js';

const repeated = (byte, length) => `0x${byte.repeat(length)}`;
const entity = (byte) => repeated('00', 12) + byte.repeat(20);
const throws = () => {
  throw new Error('a getter');
};
const thrower = Object.defineProperty({}, 'left', { enumerable: true, get: throws });
const revoked = (target) => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};
const proxy = (target) => new Proxy(target, { get: throws, ownKeys: throws, getPrototypeOf: throws, has: throws });

// No value of any kind: what may stand for something that is left out is told apart.
const nothing = [Symbol('s'), () => 1, Number.NaN, Infinity, -Infinity, 1.5, -1.5, 2 ** 53, -(2 ** 53), 1e300];
const odd = [{}, [], [1n], { valueOf: () => 1n }, new Date(0), new Map(), new Uint8Array(2), proxy({}), thrower, revoked([]), revoked({})];
const wrong = {
  u32: [...nothing, ...odd, -1, 2 ** 32, 0n, 1n, '1', true],
  u64: [...nothing, ...odd, -1n, -1, 1n << 64n, -(1n << 64n), 1n << 300n, '1', true],
  u128: [...nothing, ...odd, 0, 1, -1n, 1n << 128n, 1n << 300n, '1', false],
  i128: [...nothing, ...odd, 0, 1, 1n << 127n, -(1n << 127n) - 1n, 1n << 300n, '1', false],
  u256: [...nothing, ...odd, 0, 1, -1n, 1n << 256n, 1n << 300n, '1', false],
  i256: [...nothing, ...odd, 0, 1, 1n << 255n, -(1n << 255n) - 1n, 1n << 300n, '1', false],
  bool: [...nothing, ...odd, 0, 1, 0n, 'true', new Boolean(true)],
  hash: [...nothing, ...odd, 1n, '', '0x', 'ab'.repeat(32), repeated('ab', 31), repeated('ab', 33), repeated('xy', 32), new String('0x')],
  address: [...nothing, ...odd, 1n, '', '0x', 'ab'.repeat(20), repeated('ab', 19), repeated('ab', 32), repeated('xy', 20)],
  entity: [...nothing, ...odd, 1n, '', repeated('00', 32), repeated('09', 32), repeated('ab', 20), entity('00')],
  bytes: [...nothing, ...odd, 1n, 'ab', '0xa', '0xzz', '0X00'],
  signature: [...nothing, ...odd, 1n, 'ab', '0xa', '0xzz'],
  side: [...nothing, ...odd, 0, 1, 'Left', 'middle', '', '0', { left: 1 }, { left: null, right: null }, ['left'], { middle: null }],
  hashKind: [...nothing, ...odd, 0, 'md5', 'Sha256', '', { sha256: {} }],
};
const right = {
  u32: [0, -0, 2 ** 32 - 1],
  u64: [0n, (1n << 64n) - 1n, 0, -0, 5, 2 ** 53 - 1],
  u128: [0n, (1n << 128n) - 1n],
  i128: [0n, (1n << 127n) - 1n, -(1n << 127n)],
  u256: [0n, (1n << 256n) - 1n],
  i256: [0n, (1n << 255n) - 1n, -(1n << 255n)],
  bool: [true, false],
  hash: [repeated('ab', 32), repeated('AB', 32)],
  address: [repeated('ab', 20), repeated('AB', 20)],
  entity: [entity('ab'), entity('AB')],
  bytes: ['0x', '0x00', '0xABab'],
  signature: [repeated('ab', 64), repeated('ab', 65)],
  side: ['left', 'right', { left: undefined }, { right: null }],
  hashKind: ['keccak256', 'sha256', { sha256: undefined }],
};

wrong.other = wrong.entity;
right.other = [entity('cd')];

// The shapes of values, as `types.d.ts` has them. `optional` may be left out; `list` and `variants` are told by their names.
const optional = (shape) => ({ optional: shape });
const list = (shape) => ({ list: shape });
const variants = (shapes) => ({ variants: shapes });
const fields = (shapes) => ({ fields: shapes });
const key = fields({ chain: 'u64', depository: 'address' });
const pair = fields({ left: 'entity', right: 'other' });
const change = (kind) => fields({ key, pair, kind });
const dispute = fields({
  nonce: 'u64', startedAt: 'u64', starter: 'side', answered: 'bool', answeredAt: 'u64', bodyHash: 'hash', starterFillsHash: 'hash',
  answererFillsHash: 'hash',
});
const kind = variants({
  collateral: fields({ token: 'u32', collateral: 'u128', ondelta: 'i128' }),
  settled: fields({ epoch: 'u32', settlementNonce: 'u32' }),
  dispute: fields({ epoch: 'u32', dispute, fills: 'bytes', body: 'bytes' }),
  closed: fields({ epoch: 'u32', settlementNonce: 'u32' }),
});
const entityFact = variants({
  board: fields({ provider: 'address', entity: 'entity', board: 'hash', previous: 'hash', previousValidUntil: 'u64' }),
  revoked: fields({ provider: 'address', entity: 'entity', delegation: 'hash', validUntil: 'u64' }),
});
const block = fields({
  point: fields({ chain: 'u64', number: 'u64', hash: 'hash', timestamp: 'u64' }),
  changes: list(change(kind)),
  reveals: list(fields({ provider: 'address', kind: 'hashKind', secret: 'hash', at: 'u64' })),
  facts: list(fields({ provider: 'address', key: 'hash', at: 'u64', value: 'u128' })),
  entities: list(entityFact),
});
const facts = list(variants({
  block,
  sighted: fields({ change: change(kind) }),
  vanished: fields({ key, pair }),
  reorganised: fields({ chain: 'u64', number: 'u64' }),
}));
const depository = fields({
  key, windowS: 'u64', entityProvider: 'address', graceS: 'u64', providers: list('address'), maxSettleMarginS: 'u64',
});
const channelConfig = fields({
  depositories: optional(list(depository)),
  resendS: optional('u64'), peerTimeoutS: optional('u64'), vigilant: optional('bool'), revealMarginS: optional('u64'),
  crossGapS: optional('u64'), minWindowS: optional('u64'), maxChannels: optional('u32'), maxOnions: optional('u32'),
});
const update = fields({
  diffs: optional(list(fields({ token: 'u32', left: 'i128', right: 'i128', ondelta: 'i128' }))),
  forgiven: optional(list(fields({ token: 'u32', debtor: 'side', index: 'u64' }))),
});
const evidence = fields({
  key, epoch: 'u32', nonce: 'u64', body: 'bytes', path: list('hash'), root: 'hash', left: { nullable: 'signature' },
  right: { nullable: 'signature' },
});
const args = fields({ evidence: { nullable: evidence }, fills: optional('bytes'), body: { nullable: 'bytes' } });
const sum = fields({ key, token: 'u32', amount: 'u128' });
const leg = fields({ sum, expiry: 'u64' });
const call = (shapes) => fields({ peer: 'entity', key, ...shapes });
const delta = fields({
  collateral: 'u256', ondelta: 'i256', offdelta: 'i256', leftCreditLimit: 'u256', rightCreditLimit: 'u256', leftAllowance: 'u256',
  rightAllowance: 'u256',
});
const message = fields({ chain: 'u64', depository: 'address', channelKey: 'hash', epoch: 'u32' });

const calls = {
  openChannel: call({ providers: list('address'), settleMarginS: 'u64' }),
  closeChannel: call({}),
  addToken: call({ token: 'u32' }),
  removeToken: call({ token: 'u32' }),
  grantCredit: call({ token: 'u32', limit: 'u128' }),
  pay: call({ token: 'u32', amount: 'u128' }),
  queuePayment: call({ token: 'u32', amount: 'u128' }),
  lock: call({ token: 'u32', amount: 'u128', kind: 'hashKind', hash: 'hash', expiry: 'u64' }),
  settle: call({ id: 'u64', secret: 'hash' }),
  cancel: call({ id: 'u64' }),
  offer: call({ giveToken: 'u32', give: 'u128', wantToken: 'u32', want: 'u128', minFill: 'u128', expiry: 'u64' }),
  fill: call({ id: 'u64', fill: 'u128' }),
  cancelOffer: call({ id: 'u64' }),
  proposeSettlement: call({ update, expiry: 'u64', submit: 'bool' }),
  consent: call({ update }),
  proposeClose: call({ expiry: 'u64', submit: 'bool' }),
  submitSettlement: call({}),
  startDispute: call({ arguments: args }),
  startEmptyDispute: call({ tokens: list('u32') }),
  counterDispute: call({ arguments: args }),
  acceptDispute: call({ arguments: args }),
  finalizeDispute: call({ arguments: args }),
  reveal: call({ provider: 'address', kind: 'hashKind', secret: 'hash' }),
  clearAlarm: call({}),
  expect: fields({ key, token: 'u32', amount: 'u128', kind: 'hashKind', secret: 'hash', until: 'u64' }),
};

/** A value of a shape, whole, each choice as `pick` says. */
function sample(shape, pick = (values) => values[0]) {
  if (typeof shape === 'string') return pick(right[shape]);
  if (shape.list !== undefined) return [sample(shape.list, pick), sample(shape.list, pick)];
  if (shape.variants !== undefined) {
    const [name, content] = pick(Object.entries(shape.variants));
    return { [name]: sample(content, pick) };
  }
  if (shape.fields !== undefined) {
    return Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, sample(field, pick)]));
  }
  return sample(shape.optional ?? shape.nullable, pick);
}

/** What must be refused in place of a value of this shape, and what must be taken; with a word on what it is. */
function* replaced(shape, path = '') {
  if (typeof shape === 'string') {
    for (const value of wrong[shape]) yield { value, taken: false, path, leaf: value };
    for (const value of right[shape]) yield { value, taken: true, path, leaf: value };
    for (const value of [undefined, null]) yield { value, taken: false, path, leaf: value };
  } else if (shape.list !== undefined) {
    const holes = [sample(shape.list), undefined, sample(shape.list)];
    delete holes[1];
    const liar = new Proxy([], { get: (_, name) => (name === 'length' ? 1 : throws()) });
    const count = (length) => new Proxy([], { get: (_, name) => (name === 'length' ? length : undefined) });
    const refused = [
      ...nothing, 1n, '', 'ab', undefined, null, {}, new Set(), new Map(), new Uint8Array(2), [].values(), { length: 0 }, { length: 1, 0: sample(shape.list) }, holes, new Array(3),
      new Array(2 ** 32 - 1), [undefined], [null], liar, proxy([]), revoked([]), count(2 ** 32 - 1), count(2 ** 40), count(-1), count('2'),
    ];
    for (const value of refused) yield { value, taken: false, path, leaf: value };
    for (const value of [[], new Proxy([], {}), Object.freeze([sample(shape.list)])]) yield { value, taken: true, path, leaf: value };
    for (const found of replaced(shape.list, `${path}[]`)) {
      yield { ...found, value: [found.value] };
      if (!found.taken) yield { ...found, value: [sample(shape.list), found.value] };
    }
  } else if (shape.variants !== undefined) {
    const [[name, content], [other, more]] = Object.entries(shape.variants);
    const both = { [name]: sample(content), [other]: sample(more) };
    const inherited = Object.create({ [name]: sample(content) });
    const hidden = Object.defineProperty({}, name, { enumerable: false, value: sample(content) });
    const symbol = { [Symbol('s')]: sample(content) };
    const refused = [
      ...nothing, 1n, '', name, undefined, null, {}, [], both, inherited, hidden, symbol, [[name, sample(content)]], proxy({}), revoked({}),
      { [name.toUpperCase()]: sample(content) }, { unknown: sample(content) }, { [name]: undefined }, { [name]: null }, { 0: sample(content) },
      Object.defineProperty({}, name, { enumerable: true, get: throws }), { __proto__: null },
    ];
    for (const value of refused) yield { value, taken: false, path, leaf: value };
    for (const [name, content] of Object.entries(shape.variants)) {
      for (const found of replaced(content, `${path}.${name}`)) yield { ...found, value: { [name]: found.value } };
    }
  } else if (shape.fields !== undefined) {
    const whole = sample(shape);
    for (const value of [...nothing, 1n, '', 'ab', undefined, null, proxy({}), revoked({})]) yield { value, taken: false, path, leaf: value };
    const inherited = Object.create(whole);
    const hidden = Object.create(null);
    for (const [name, value] of Object.entries(whole)) Object.defineProperty(hidden, name, { enumerable: false, get: () => value });
    const more = { ...whole, unknown: 1, [Symbol('s')]: 1 };
    const functional = Object.defineProperties(() => 1, Object.getOwnPropertyDescriptors(whole));
    for (const value of [whole, inherited, hidden, more, new Proxy(whole, {}), Object.freeze(whole)]) yield { value, taken: true, path, leaf: value };
    yield { value: functional, taken: false, path, leaf: functional };
    for (const [name, field] of Object.entries(shape.fields)) {
      const { [name]: _, ...rest } = whole;
      const left = field.optional !== undefined || field.nullable !== undefined;
      yield { value: rest, taken: left, path: `${path}.${name} is missing` };
      yield { value: Object.defineProperty({ ...rest }, name, { get: throws }), taken: false, path: `${path}.${name} throws` };
      for (const found of replaced(field, `${path}.${name}`)) yield { ...found, value: { ...rest, [name]: found.value } };
    }
  } else {
    const inner = shape.optional ?? shape.nullable;
    for (const found of replaced(inner, path)) {
      // What is undefined is left out.
      const absent = found.path === path && (found.value === undefined || (found.value === null && shape.nullable !== undefined));
      yield absent ? { ...found, taken: true } : found;
    }
  }
}

/** Says of each value whether it is taken; whatever is refused is refused with the same code. */
async function check(shape, take) {
  const different = new Map();
  let count = 0;
  for (const { value, taken, path, leaf } of replaced(shape)) {
    count += 1;
    let [found, why] = [true, ''];
    try {
      await take(value);
    } catch (error) {
      if (error instanceof XlnError && error.code === 'invalid_argument') [found, why] = [false, error.message];
      else if (!(error instanceof XlnError)) [found, why] = [undefined, `${error}`];
    }
    if (found !== taken) {
      different.set(`${path} taken: ${found} not ${taken}: ${describe(leaf)} ${why}`, true);
    }
  }
  assert.deepEqual([...different.keys()], [], `${different.size} of ${count}`);
  return count;
}

function describe(value) {
  try {
    if (['symbol', 'undefined', 'function', 'number'].includes(typeof value)) return Object.is(value, -0) ? '-0' : String(value);
    return JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : typeof v === 'symbol' || typeof v === 'function' ? String(v) : v));
  } catch (error) {
    return `(${error.message})`;
  }
}

let wallet;
before(async () => {
  ({ wallet } = await new Net().open(1));
});

test('values of the pure functions', async () => {
  await check(delta, (value) => deriveDelta(value, 'left'));
  await check(message, (value) => cooperativeUpdateDigest(value, 1, 1n, new Uint8Array()));
  await check('u64', (value) => subchannelLeaf(value, repeated('ab', 20), 1, repeated('ab', 32)));
  await check('u32', (value) => subchannelLeaf(1n, repeated('ab', 20), value, repeated('ab', 32)));
});

for (const [name, shape] of Object.entries(calls)) test(`values of ${name}`, () => check(shape, (value) => wallet[name](value)));

test('values of cross-chain swaps', async () => {
  const swap = fields({ give: leg, want: leg, kind: 'hashKind', secret: 'hash' });
  await check(swap, (value) => wallet.crossSwap(entity('cd'), value));
  const consent = fields({ receive: sum, pay: sum, until: 'u64', payExpiry: 'u64' });
  await check(consent, (value) => wallet.acceptCrossSwap(entity('cd'), value));
});

test('values of a config', async () => {
  const key = new Key(new Uint8Array(32).fill(1));
  await check(channelConfig, async (value) => {
    await Wallet.restoreBackup(new MemoryStore(), key.entity, value, new Uint8Array());
  });
});

test('facts of a chain', async () => {
  const { wallet } = await new Net().open(2);
  await check(facts, (value) => wallet.handleFacts(value));
});

test('names of effects and commands', async () => {
  await check('u64', (value) => wallet.completed(value, true));
});
