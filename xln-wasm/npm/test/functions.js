// What must hold of the pure functions wherever they run: used by the tests in Node and, in a page, by those in Chromium.
const equal = (found, expected, what) => {
  const text = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v));
  if (text(found) !== text(expected)) throw new Error(`${what}: ${text(found)} instead of ${text(expected)}`);
};
const bytes = (hex) => Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const hex = (data) => `0x${Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
const thrown = (run) => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown by ${run}`);
};

/** Golden vectors: every one whose function is offered. Gives how many were checked. */
export function checkVectors(xln, files) {
  let count = 0;
  for (const vector of files.derive_delta.vectors) {
    const input = Object.fromEntries(Object.entries(vector.input).map(([name, value]) => [name, BigInt(value)]));
    if (vector.error !== undefined) {
      equal(thrown(() => xln.deriveDelta(input, 'left')).code, 'delta_overflow', vector.name);
    } else {
      for (const side of ['left', 'right']) {
        const found = xln.deriveDelta(input, side);
        for (const [name, value] of Object.entries(vector.expect[side])) equal(found[name], BigInt(value), `${side}.${name}`);
      }
    }
    count += 1;
  }
  for (const vector of files.signatures.vectors) {
    const key = new xln.Key(bytes(vector.secret));
    const digest = bytes(vector.digest);
    equal([key.address, key.entity, hex(key.sign(digest))], [vector.address, vector.entity, vector.signature], 'signature');
    equal(xln.recoverAddress(digest, bytes(vector.signature)), vector.address, 'recovered');
    const verifier = new xln.Verifier();
    for (const _ of [1, 2]) equal(verifier.verify(vector.entity, digest, bytes(vector.signature)), true, 'verified');
    digest[0] ^= 1;
    equal(verifier.verify(vector.entity, digest, bytes(vector.signature)), false, 'another digest');
    key.free();
    count += 1;
  }
  for (const vector of files.commitments.vectors) {
    equal(xln.channelKey(vector.right, vector.left), vector.channelKey, 'channel key');
    const leaves = [xln.stateLeaf(vector.stateHash)];
    for (const { chainId, depository, epoch } of vector.subchannels) {
      leaves.push(xln.subchannelLeaf(BigInt(chainId), depository, Number(epoch), vector.bodyHash));
    }
    const found = leaves.map((leaf, index) => ({ leaf, path: xln.merklePath(leaves, index) }));
    equal(found, vector.leaves, 'leaves');
    equal(xln.merkleRoot(leaves), vector.root, 'root');
    for (const { leaf, path } of vector.leaves) {
      equal(xln.verifyPath(leaf, path, vector.root), true, 'path');
      equal(xln.verifyPath(vector.stateHash, path, vector.root), false, 'wrong leaf');
    }
    equal(xln.channelStateDigest(vector.channelKey, BigInt(vector.nonce), vector.root), vector.digest, 'digest');
    count += 1;
  }
  for (const v of files.depository_digests.vectors) {
    const [chain, expiry, nonce] = [BigInt(v.chainId), BigInt(v.expiry), BigInt(v.nonce)];
    const message = { chain, depository: v.depository, channelKey: v.channelKey, epoch: Number(v.epoch) };
    const settlement = Number(v.settlementNonce);
    const found = {
      cooperativeUpdate: xln.cooperativeUpdateDigest(message, settlement, expiry, bytes(v.bytes)),
      cooperativeClose: xln.cooperativeCloseDigest(message, settlement, expiry, bytes(v.bytes)),
      disputeStart: xln.disputeStartDigest(message, nonce, v.bodyHash, bytes(v.bytes), expiry),
      disputeAnswer: xln.disputeAnswerDigest(message, nonce, v.bodyHash, bytes(v.bytes)),
    };
    for (const [name, digest] of Object.entries(found)) equal(digest, v[name], name);
    count += 1;
  }
  return count;
}

/** The same of what only the whole package offers: bodies, and the logs of two machines with the keys 01…01 and 02…02. */
export function checkStates(xln, files) {
  let count = 0;
  for (const vector of files.bodies.vectors) {
    equal(xln.bodyHash(bytes(vector.encoded)), vector.hash, 'body');
    count += 1;
  }
  for (const [log, seed] of [['left', 1], ['right', 2]]) {
    const { entity } = new xln.Key(new Uint8Array(32).fill(seed));
    const vectors = files.record.vectors.filter((vector) => vector.log === log);
    const records = vectors.filter((vector) => vector.bytes !== undefined).map((vector) => bytes(vector.bytes));
    const { root } = vectors.find((vector) => vector.root !== undefined);
    equal(xln.replayRoot(entity, records), root, `${log}'s machine`);
    equal(xln.replay(entity, records).length, records.length, 'steps');
    count += vectors.length;
  }
  for (const [code, run] of [
    ['invalid_state', () => xln.commitState(new Uint8Array(3))],
    ['invalid_body', () => xln.bodyHash(new Uint8Array(3))],
    ['codec', () => xln.replay(xln.entityOfAccount(`0x${'11'.repeat(20)}`), [Uint8Array.of(1, 255)])],
  ]) {
    equal(thrown(run).code, code, `${run}`);
  }
  return count;
}

/** Errors are `XlnError`s with codes, whatever is handed in. */
export function checkErrors(xln) {
  const delta = { collateral: 10n, ondelta: 0n, offdelta: 0n, leftCreditLimit: 0n, rightCreditLimit: 0n, leftAllowance: 0n };
  const whole = { ...delta, rightAllowance: 0n };
  const cases = {
    invalid_argument: [
      () => xln.deriveDelta(delta, 'left'),
      () => xln.deriveDelta({ ...whole, collateral: -1n }, 'left'),
      () => xln.deriveDelta({ ...whole, collateral: 1n << 256n }, 'left'),
      () => xln.deriveDelta({ ...whole, collateral: 10 }, 'left'),
      () => xln.deriveDelta(whole, 'middle'),
      () => xln.deriveDelta(undefined, 'left'),
      () => xln.entityOfAccount('0x00'),
      () => xln.entityOfAccount(`0x${'00'.repeat(20)}`),
      () => xln.entityKind(`0x09${'00'.repeat(31)}`),
      () => xln.secretHash(`0x${'00'.repeat(32)}`, 'md5'),
      () => new xln.Key(new Uint8Array(31)),
      () => xln.recoverAddress(new Uint8Array(31), new Uint8Array(64)),
    ],
    delta_overflow: [() => xln.bar({ ...whole, collateral: (1n << 256n) - 1n, leftCreditLimit: 1n }, 'left', 40)],
    invalid_secret_key: [() => new xln.Key(new Uint8Array(32))],
    invalid_signature: [
      () => xln.recoverAddress(new Uint8Array(32), new Uint8Array(64)),
      () => xln.recoverAddress(new Uint8Array(32), new Uint8Array(65)),
    ],
  };
  for (const [code, runs] of Object.entries(cases)) {
    for (const run of runs) {
      const error = thrown(run);
      equal([error instanceof xln.XlnError, error instanceof Error, error.name, error.code], [true, true, 'XlnError', code], `${run}`);
    }
  }
}

/** The bar that a terminal shows, as `docs/protocol.md` draws such a channel. */
export function checkBar(xln) {
  const delta = { collateral: 500n, ondelta: 0n, offdelta: 250n, leftCreditLimit: 250n, rightCreditLimit: 250n };
  const whole = { ...delta, leftAllowance: 0n, rightAllowance: 0n };
  equal(xln.bar(whole, 'left', 22), `[-----==========-----]\n${' '.repeat(11)}|`, 'bar');
}

/** Logs of scenarios: the same roots after every record as natively. Gives how many records there were. */
export function checkRecords(xln, logs) {
  let count = 0;
  for (const { name, entity, snapshot, records, roots } of logs) {
    const steps = xln.replay(entity, records.map(bytes), snapshot === null ? undefined : bytes(snapshot));
    const found = steps.map((step) => Object.fromEntries(step.roots.map(({ peer, root }) => [peer, root])));
    equal(found, roots, name);
    count += records.length;
  }
  return count;
}
