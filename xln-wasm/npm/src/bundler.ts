import * as wasm from './full/xln_bg.wasm';
import * as bindings from './full/xln_bg.js';

export * from './index.js';

bindings.__wbg_set_wasm(wasm);
wasm.__wbindgen_start();

/** Here the module is loaded already; in a browser without a bundler this loads it. */
export function init(): Promise<void> {
  return Promise.resolve();
}
