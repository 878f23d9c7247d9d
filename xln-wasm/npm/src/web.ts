import * as bindings from './full/xln_bg.js';
import { instantiate, type WasmSource } from './load.js';

export * from './index.js';
export type { WasmSource };

let ready: Promise<void> | undefined;

/**
 * Loads the module; call it once before anything else, in each page and worker. Later calls wait for the first. The file lies
 * beside this one; give another source where a server or bundler moved it.
 */
export function init(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  ready ??= instantiate(bindings, source ?? new URL('./full/xln_bg.wasm', import.meta.url)).catch((error: unknown) => {
    ready = undefined;
    throw error;
  });
  return ready;
}
