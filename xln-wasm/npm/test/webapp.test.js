// The package as npm would install it, bundled by Vite with the example, in two browsers with data of their own.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { build } from 'vite';

import { launch, serve } from './chromium.js';
import { relay } from './relay.js';

const npm = fileURLToPath(new URL('..', import.meta.url));
const example = fileURLToPath(new URL('../../../examples/webapp', import.meta.url));

test('examples/webapp, built by Vite: two people grant credit and pay', async (t) => {
  const project = mkdtempSync(join(tmpdir(), 'xln-webapp-'));
  t.after(() => rmSync(project, { recursive: true }));
  cpSync(example, project, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const installed = join(project, 'node_modules/xln-wasm');
  mkdirSync(installed, { recursive: true });
  const { files } = JSON.parse(readFileSync(join(npm, 'package.json'), 'utf8'));
  for (const name of ['package.json', ...files]) cpSync(join(npm, name), join(installed, name), { recursive: true });
  await build({ root: project, logLevel: 'error', build: { target: 'es2022' } });
  const assets = readdirSync(join(project, 'dist/assets'));
  assert.equal(assets.filter((name) => name.endsWith('.wasm')).length, 1);

  const [net, server, browser] = [await relay(), await serve(undefined, join(project, 'dist')), await launch()];
  t.after(async () => {
    await browser.close();
    await server.close();
    await net.close();
  });
  const people = [];
  for (const _ of ['one', 'other']) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${server.url}/?relay=${encodeURIComponent(net.url)}`);
    await page.getByText('ready').waitFor();
    people.push({ page, entity: await page.locator('#me').textContent() });
  }
  const [one, other] = people;
  const press = async ({ page }, peer, amount, button, said) => {
    await page.locator('#peer').fill(peer.entity);
    await page.locator('#amount').fill(amount);
    await page.getByRole('button', { name: button }).click();
    await page.locator('#said', { hasText: said }).waitFor();
  };
  await press(one, other, '500', 'Open a channel', 'granted 500');
  await press(other, one, '120', 'Pay', 'paid 120');
  await press(other, one, '381', 'Pay', 'refused.transition.insufficient_capacity');
  await one.page.getByText('can pay 120, can receive 380').waitFor();
});
