// Tabs of a real browser that pay each other over a relay: reloaded in the middle, cut off, come back, killed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, serve } from './chromium.js';
import { relay } from './relay.js';

let browser, server;
before(async () => {
  [browser, server] = [await launch(), await serve()];
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** One person's tab. The browser's data is that of `context`. */
class Tab {
  constructor(page, seed, url) {
    Object.assign(this, { page, seed, url });
  }

  static async open(context, seed, url) {
    const tab = new Tab(await context.newPage(), seed, url);
    await tab.page.goto(`${server.url}/test/page/`);
    await tab.start();
    return tab;
  }

  async start() {
    const run = async ([seed, url]) => (await import('/test/page/tab.js')).tab.start(seed, url);
    this.entity = await this.page.evaluate(run, [this.seed, this.url]);
  }

  async reload() {
    await this.page.reload();
    await this.start();
  }

  call(method, ...args) {
    return this.page.evaluate(([method, args]) => globalThis.tab[method](...args), [method, args]);
  }
}

async function two(t) {
  const net = await relay();
  const context = await browser.newContext();
  t.after(async () => {
    await context.close();
    await net.close();
  });
  const { url } = net;
  const [a, b] = [await Tab.open(context, 1, url), await Tab.open(context, 2, url)];
  await a.call('befriend', b.entity, 1_000_000n);
  await b.call('grant', a.entity, 1_000_000n);
  return { net, context, url, a, b };
}

async function same(a, b, expected) {
  await Promise.all([a.call('settled', b.entity), b.call('settled', a.entity)]);
  assert.deepEqual([await a.call('balance', b.entity), await b.call('balance', a.entity)], [expected, -expected]);
  assert.equal(await a.call('root', b.entity), await b.call('root', a.entity));
}

test('two tabs pay each other', async (t) => {
  const { a, b } = await two(t);
  await Promise.all([
    ...Array.from({ length: 15 }, () => a.call('pay', b.entity, 3n)),
    ...Array.from({ length: 10 }, () => b.call('pay', a.entity, 2n)),
  ]);
  await same(a, b, -25n);
});

test('a tab is reloaded in the middle', async (t) => {
  const { a, b } = await two(t);
  const waiting = Array.from({ length: 10 }, () => b.call('pay', a.entity, 7n));
  const queued = await a.call('queue', b.entity, 1n);
  await a.reload();
  await Promise.all(waiting);
  await a.call('agreed', queued).catch(() => {});
  await same(a, b, 69n);
});

test('the connection is lost, and comes back', async (t) => {
  const { net, a, b } = await two(t);
  net.refuse(true);
  net.cut(a.entity);
  net.cut(b.entity);
  const commands = [await a.call('queue', b.entity, 20n), await a.call('queue', b.entity, 22n)];
  const other = await b.call('queue', a.entity, 5n);
  net.refuse(false);
  await Promise.all([...commands.map((command) => a.call('agreed', command)), b.call('agreed', other)]);
  await same(a, b, -37n);
});

test('a tab is killed, and opened again', async (t) => {
  const { context, url, a, b } = await two(t);
  await a.call('pay', b.entity, 11n);
  const root = await a.call('root', b.entity);
  await a.page.close({ runBeforeUnload: false });
  const again = await Tab.open(context, 1, url);
  assert.equal(again.entity, a.entity);
  assert.equal(await again.call('root', b.entity), root);
  await b.call('pay', again.entity, 1n);
  await same(again, b, -10n);
});

test('one store has one owner', async (t) => {
  const { context, url, a, b } = await two(t);
  const second = new Tab(await context.newPage(), 1, url);
  await second.page.goto(`${server.url}/test/page/`);
  await assert.rejects(second.start(), /in another tab or worker/);
  // One that gets past the lock is found out by the next write.
  await second.page.evaluate(async (name) => {
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const transaction = database.transaction('meta', 'readwrite');
    transaction.objectStore('meta').put('somebody else', 'owner');
    await new Promise((resolve) => (transaction.oncomplete = resolve));
    database.close();
  }, `wallet-${a.entity}`);
  const before = await b.call('root', a.entity);
  await assert.rejects(a.call('pay', b.entity, 1n), /opened by another tab/);
  assert.equal(await b.call('root', a.entity), before);
  assert.ok((await a.call('events')).includes('poisoned'));
});

test('a wallet in a worker', async (t) => {
  const { url, a } = await two(t);
  const pay = async ([url, seed, peer]) => {
    const worker = new Worker('/test/page/tab-worker.js', { type: 'module' });
    let next = 0;
    const call = (method, ...args) => new Promise((resolve, reject) => {
      const number = (next += 1);
      worker.addEventListener('message', function listen({ data: [of, value, error] }) {
        if (of !== number) return;
        worker.removeEventListener('message', listen);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      worker.postMessage([number, method, args]);
    });
    const entity = await call('start', seed, url);
    await call('befriend', peer, 100n);
    globalThis.worker = call;
    return entity;
  };
  const entity = await a.page.evaluate(pay, [url, 3, a.entity]);
  await a.call('pay', entity, 60n);
  await a.page.evaluate((peer) => globalThis.worker('settled', peer), a.entity);
  assert.equal(await a.page.evaluate((peer) => globalThis.worker('balance', peer), a.entity), 60n);
  await a.page.evaluate(() => globalThis.worker('stop'));
});
