// Signing and recovering beside the libraries that web apps use, in one process, in turns, by the median of many rounds. With
// --check the exit code is 1 unless both entries of this package sign 4 times and recover 8 times as fast as each of them.
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { SigningKey, recoverAddress as ethersRecover } from 'ethers';
import { recoverAddress as viemRecover } from 'viem';
import { sign as viemSign } from 'viem/accounts';
import { Key, recoverAddress } from 'xln-wasm';
import { Key as LiteKey, recoverAddress as liteRecover } from 'xln-wasm/lite';

const secret = new Uint8Array(32).fill(7);
const secretHex = `0x${'07'.repeat(32)}`;
const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;
const digests = Array.from({ length: 32 }, (_, i) => Uint8Array.from({ length: 32 }, (_, j) => (i * 37 + j * 11 + 1) & 255));
const digestHex = digests.map(hex);
const key = new Key(secret);
const liteKey = new LiteKey(secret);
const ethersKey = new SigningKey(secretHex);

const ours = digests.map((digest) => key.sign(digest));
const noble = digests.map((digest) => secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' }));
const viem = await Promise.all(digestHex.map((hash) => viemSign({ hash, privateKey: secretHex, to: 'hex' })));
const ethers = digestHex.map((digest) => ethersKey.sign(digest));

const runs = {
  sign: {
    'xln-wasm': (i) => key.sign(digests[i]),
    'xln-wasm/lite': (i) => liteKey.sign(digests[i]),
    'noble-curves': (i) => secp256k1.sign(digests[i], secret, { prehash: false, format: 'recovered' }),
    viem: (i) => viemSign({ hash: digestHex[i], privateKey: secretHex, to: 'hex' }),
    ethers: (i) => ethersKey.sign(digestHex[i]),
  },
  recover: {
    'xln-wasm': (i) => recoverAddress(digests[i], ours[i]),
    'xln-wasm/lite': (i) => liteRecover(digests[i], ours[i]),
    'noble-curves': (i) => secp256k1.recoverPublicKey(noble[i], digests[i], { prehash: false }),
    viem: (i) => viemRecover({ hash: digestHex[i], signature: viem[i] }),
    ethers: (i) => ethersRecover(digestHex[i], ethers[i]),
  },
};

// They must agree before their speed means anything.
for (let i = 0; i < digests.length; i += 1) {
  const expected = key.address.toLowerCase();
  const found = [runs.recover['xln-wasm'](i), runs.recover['xln-wasm/lite'](i), await runs.recover.viem(i), runs.recover.ethers(i)];
  if (found.some((address) => address.toLowerCase() !== expected)) throw new Error(`digest ${i}: ${found}`);
  const compact = ethers[i].compactSerialized;
  if (hex(ours[i]) !== compact) throw new Error(`digest ${i}: ${hex(ours[i])} is not ${compact}`);
}

const bounds = { sign: 4, recover: 8 };
const rounds = Number(process.env.XLN_BENCH_ROUNDS ?? 40);
/** Processor time, which does not count what else the machine does. */
const spent = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];
let slow = false;
for (const [what, contestants] of Object.entries(runs)) {
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = -5; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(contestants)) {
      const begin = spent();
      for (let i = 0; i < digests.length; i += 1) await run(i);
      if (round >= 0) times[name].push((spent() - begin) / digests.length);
    }
  }
  const own = Math.max(median(times['xln-wasm']), median(times['xln-wasm/lite']));
  for (const [name, all] of Object.entries(times)) {
    const ratio = median(all) / own;
    console.log(`${what.padEnd(8)} ${name.padEnd(13)} ${median(all).toFixed(1).padStart(8)} µs ${ratio.toFixed(1).padStart(6)} x`);
    if (!name.startsWith('xln-wasm') && ratio < bounds[what]) slow = true;
  }
}
if (slow && process.argv.includes('--check')) {
  console.error('slower than promised');
  process.exitCode = 1;
}
