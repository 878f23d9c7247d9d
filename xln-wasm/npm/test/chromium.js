// A real browser, headless, and a server on loopback that sends the package with a strict Content-Security-Policy.
import { accessSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import sirv from 'sirv';

const root = fileURLToPath(new URL('..', import.meta.url));
const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** What docs/wasm.md asks of a page. */
export const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://127.0.0.1:*; img-src data:";

/** Where Chromium is; CHROMIUM names another. */
export function executable() {
  const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
  accessSync(path);
  return path;
}

/** Starts a browser without any data of its own. */
export function launch() {
  return chromium.launch({ executablePath: executable(), chromiumSandbox: false, args: flags });
}

/** Serves a folder, the package's if left out. `headers` replaces the policy. */
export async function serve(headers = { 'Content-Security-Policy': policy }, folder = root) {
  const files = sirv(folder, { dev: true, setHeaders: (response) => Object.entries(headers).forEach(([k, v]) => response.setHeader(k, v)) });
  const server = createServer((request, response) => files(request, response, () => {
    response.statusCode = 404;
    response.end();
  }));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
