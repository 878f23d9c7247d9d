import assert from 'node:assert/strict';
import { test } from 'node:test';

// Both wallets live in one module; its memory is what a leak would make grow.
let memory;
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(...given) {
    super(...given);
    memory = this.exports.memory;
  }
};
const { Net } = await import('./net.js');
const { balance, befriend, key, token } = await import('./wallets.js');

test('thousands of payments leave nothing behind', async () => {
  const net = new Net();
  // Events that nobody takes and records that no snapshot replaces would be kept.
  const [a, b] = [await net.open(1, { snapshotEvery: 16n }), await net.open(2, { snapshotEvery: 16n })];
  await net.connect(a.wallet, b.wallet);
  await befriend(a.wallet, b.wallet, 1_000_000n);
  const pay = async (times) => {
    for (let done = 0; done < times; done += 50) {
      const payment = { peer: b.wallet.entity, key, token, amount: 1n };
      const commands = await Promise.all(Array.from({ length: 50 }, () => a.wallet.queuePayment(payment)));
      for (const command of commands) await a.wallet.agreed(command);
      a.events.length = 0;
      b.events.length = 0;
    }
  };
  // Long enough for every queue that is bounded to be full.
  await pay(3000);
  const before = memory.buffer.byteLength;
  await pay(3000);
  assert.deepEqual(net.failures, []);
  assert.equal(await balance(a.wallet, b.wallet.entity), -6000n);
  // A payment that was kept on both sides would take some hundred bytes: 3000 of them more than this.
  assert.ok(memory.buffer.byteLength - before <= 256 * 1024, `${memory.buffer.byteLength - before} bytes more`);
});
