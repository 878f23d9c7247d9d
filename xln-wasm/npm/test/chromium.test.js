import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, serve } from './chromium.js';
import { count, stateVectors, vectors } from './vectors.js';

let browser, server;
before(async () => {
  [browser, server] = [await launch(), await serve()];
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** A page that fails the test with whatever goes wrong in it. */
async function open(t) {
  const page = await browser.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  await page.goto(`${server.url}/test/page/`);
  t.after(async () => {
    await page.close();
    assert.deepEqual(wrong, []);
  });
  return page;
}

for (const entry of ['web.js', 'lite-web.js']) {
  test(`${entry}: vectors, errors and the bar`, async (t) => {
    const page = await open(t);
    const states = entry === 'web.js' ? stateVectors() : undefined;
    const found = await page.evaluate(
      async ([entry, files, states]) => {
        const xln = await import(`/dist/esm/${entry}`);
        const { checkBar, checkErrors, checkStates, checkVectors } = await import('/test/functions.js');
        await Promise.all([xln.init(), xln.init()]);
        checkErrors(xln);
        checkBar(xln);
        return checkVectors(xln, files) + (states === undefined ? 0 : checkStates(xln, states));
      },
      [entry, vectors(), states],
    );
    assert.equal(found, count(vectors()) + count(states ?? {}));
  });
}

test('in a worker', async (t) => {
  const page = await open(t);
  const answer = await page.evaluate(async () => {
    const worker = new Worker('/test/page/worker.js', { type: 'module' });
    const delta = { collateral: 500n, ondelta: 100n, offdelta: 50n, leftCreditLimit: 9n, rightCreditLimit: 7n };
    worker.postMessage({ ...delta, leftAllowance: 0n, rightAllowance: 0n });
    const data = await new Promise((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = reject;
    });
    worker.terminate();
    return data.error ?? [data.hash, `${data.view.outCapacity}`];
  });
  // Right can pay its 350 of the collateral, and 7 on credit.
  assert.deepEqual(answer, ['0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470', '357']);
});

test('loaded twice', async (t) => {
  const page = await open(t);
  const found = await page.evaluate(async () => {
    const [one, two] = await Promise.all([import('/dist/esm/web.js?1'), import('/dist/esm/web.js?2')]);
    const full = await import('/dist/esm/lite-web.js');
    await Promise.all([one.init(), two.init(), full.init()]);
    const keys = [one, two, full].map((xln) => new xln.Key(new Uint8Array(32).fill(5)));
    const digest = new Uint8Array(32).fill(6);
    const signatures = keys.map((key) => key.sign(digest).join());
    keys[0].free();
    return [new Set(signatures).size, keys[1].address === keys[2].address];
  });
  assert.deepEqual(found, [1, true]);
});

test('without the policy’s exception nothing is compiled, and the error says so', async (t) => {
  const strict = await serve({ 'Content-Security-Policy': "default-src 'none'; script-src 'self'; connect-src 'self'" });
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    await strict.close();
  });
  await page.goto(`${strict.url}/test/page/`);
  const error = await page.evaluate(async () => {
    const { init } = await import('/dist/esm/web.js');
    return init().then(() => 'loaded', String);
  });
  assert.match(error, /Content Security Policy/);
});
