import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as xln from 'xln-wasm';

import { launch, serve } from './chromium.js';
import { checkRecords } from './functions.js';
import { records } from './records.js';

const logs = records();
const expected = logs.reduce((sum, log) => sum + log.records.length, 0);

test('Node: the logs of all scenarios give the roots that they give natively', () => {
  assert.ok(logs.length > 0);
  assert.equal(checkRecords(xln, logs), expected);
  // It would notice one byte.
  const log = structuredClone(logs.find(({ roots }) => Object.keys(roots.at(-1) ?? {}).length > 0));
  const [peer] = Object.keys(log.roots.at(-1));
  log.roots.at(-1)[peer] = `0x${'00'.repeat(32)}`;
  assert.throws(() => checkRecords(xln, [log]), /instead of/);
});

test('Chromium: the same', async (t) => {
  const [browser, server] = [await launch(), await serve()];
  t.after(async () => {
    await browser.close();
    await server.close();
  });
  const page = await browser.newPage();
  await page.goto(`${server.url}/test/page/`);
  let count = 0;
  for (const log of logs) {
    count += await page.evaluate(async (log) => {
      const xln = await import('/dist/esm/web.js');
      const { checkRecords } = await import('/test/functions.js');
      await xln.init();
      return checkRecords(xln, [log]);
    }, log);
  }
  assert.equal(count, expected);
});
