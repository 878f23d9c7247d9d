/** The JavaScript half of a module. */
export interface Bindings {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
}

/** Where a module comes from. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/** Joins the two halves. */
export function connect(bindings: Bindings, instance: WebAssembly.Instance): void {
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
}

/** What the module imports: its own JavaScript, nothing else. */
export function importsOf(bindings: Bindings): WebAssembly.Imports {
  return { './xln_bg.js': bindings as unknown as WebAssembly.ModuleImports };
}

/** Compiles a module and joins it with its JavaScript. */
export async function instantiate(bindings: Bindings, source: WasmSource | Promise<WasmSource>): Promise<void> {
  const module = await compile(await source);
  connect(bindings, await WebAssembly.instantiate(module, importsOf(bindings)));
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source !== 'string' && !(source instanceof URL) && !isFetched(source)) return WebAssembly.compile(source);
  const response = source instanceof Response ? source : await fetch(source);
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const streams = response.headers.get('content-type')?.startsWith('application/wasm');
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

function isFetched(source: Request | Response | BufferSource): source is Request | Response {
  return source instanceof Request || source instanceof Response;
}
