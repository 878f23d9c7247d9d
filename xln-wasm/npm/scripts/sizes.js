// What a page downloads, as a server would send it with gzip -9: a table for the docs. Above its bound an entry fails; the
// goal is where it should come.
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/esm');
const shared = ['errors.js', 'load.js'];
const entries = {
  'xln-wasm': {
    bound: 350_000,
    goal: 350_000,
    files: ['full/xln_bg.wasm', 'full/xln_bg.js', 'full/api.js', 'web.js', 'index.js', 'store.js', 'websocket.js', ...shared],
  },
  'xln-wasm/lite': {
    bound: 70_000,
    goal: 120_000,
    files: ['lite/xln_bg.wasm', 'lite/xln_bg.js', 'lite/api.js', 'lite-web.js', 'lite.js', ...shared],
  },
};
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const zipped = (path) => gzipSync(readFileSync(join(root, path)), { level: 9 }).length;

console.log('| entry | wasm | wasm, gzip | JavaScript, gzip | in all, gzip | bound | goal |\n|---|---:|---:|---:|---:|---:|---:|');
for (const [name, { bound, goal, files }] of Object.entries(entries)) {
  const [wasm, ...scripts] = files;
  const [module, script] = [zipped(wasm), scripts.reduce((sum, path) => sum + zipped(path), 0)];
  const all = module + script;
  const raw = statSync(join(root, wasm)).size;
  console.log(`| \`${name}\` | ${kb(raw)} | ${kb(module)} | ${kb(script)} | ${kb(all)} | ${kb(bound)} | ${kb(goal)} |`);
  if (all > bound) {
    console.error(`${name} is over its bound`);
    process.exitCode = 1;
  }
}
