// The logs that `xln scenario --records` wrote while it played every scenario, and the roots that they give natively.
import { readFileSync, readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const given = process.env.XLN_RECORDS;
const folder = given ? pathToFileURL(`${given}/`) : new URL('../build/records/', import.meta.url);

/** Every life of every entity of every scenario, by file name. `scripts/wasm.sh records` makes them. */
export function records() {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.map((name) => ({ name, ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')) }));
}
