import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import * as xln from 'xln-wasm';
import * as lite from 'xln-wasm/lite';

import { checkBar, checkErrors, checkStates, checkVectors } from './functions.js';
import { count, stateVectors, vectors } from './vectors.js';

const require = createRequire(import.meta.url);

for (const [name, entry] of Object.entries({ 'xln-wasm': xln, 'xln-wasm/lite': lite })) {
  test(`${name}: golden vectors`, () => {
    assert.equal(checkVectors(entry, vectors()), count(vectors()));
  });
  test(`${name}: errors have classes and codes`, () => checkErrors(entry));
  test(`${name}: bar`, () => checkBar(entry));
  test(`${name}: import and require give one instance`, async () => {
    const required = require(name);
    assert.equal(required.Key, entry.Key);
    assert.equal(required.XlnError, entry.XlnError);
    await required.init();
  });
}

test('golden bodies and logs', () => {
  assert.equal(checkStates(xln, stateVectors()), count(stateVectors()));
});

test('the module imports nothing but its own JavaScript', () => {
  for (const name of ['xln-wasm/xln.wasm', 'xln-wasm/xln-lite.wasm']) {
    const module = new WebAssembly.Module(readFileSync(require.resolve(name)));
    const sources = new Set(WebAssembly.Module.imports(module).map((entry) => entry.module));
    assert.deepEqual([...sources], ['./xln_bg.js']);
  }
});

test('a worker thread has an instance of its own', async () => {
  const code = `
    import { parentPort } from 'node:worker_threads';
    import { keccak256 } from ${JSON.stringify(import.meta.resolve('xln-wasm'))};
    parentPort.postMessage(keccak256(new Uint8Array()));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  // The hash of nothing, as everyone knows it.
  assert.equal(answer, '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470');
});
