import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as bindings from './full/xln_bg.js';
import { connect, importsOf } from './load.js';

export * from './index.js';

const file = readFileSync(join(__dirname, '../esm/full/xln_bg.wasm'));
connect(bindings, new WebAssembly.Instance(new WebAssembly.Module(file), importsOf(bindings)));

/** Here the module is loaded already; in a browser this loads it. */
export function init(): Promise<void> {
  return Promise.resolve();
}
