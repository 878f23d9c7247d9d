// From the generated modules and src/*.ts to dist/: ES modules for browsers and bundlers, CommonJS for Node, and their types.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify } from 'terser';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [source, bindgen, dist] = ['build/src', 'build/bindgen', 'dist'].map((path) => join(root, path));
const kinds = ['full', 'lite'];
const entries = ['web.ts', 'node.ts', 'bundler.ts'];

for (const name of readdirSync(join(root, 'src'))) cpSync(join(root, 'src', name), join(source, name));
for (const name of entries) {
  const text = readFileSync(join(root, 'src', name), 'utf8').replaceAll('./full/', './lite/').replaceAll('/full/', '/lite/');
  writeFileSync(join(source, `lite-${name}`), text.replace('./index.js', './lite.js'));
}
for (const kind of kinds) {
  const names = exported(readFileSync(join(bindgen, kind, 'xln.js'), 'utf8'));
  cpSync(join(bindgen, kind, 'xln_bg.js'), join(source, kind, 'xln_bg.js'));
// Symbol.dispose is newer than the libraries that most projects compile with; at run time it is there.
  const types = readFileSync(join(bindgen, kind, 'xln.d.ts'), 'utf8').replaceAll(/^ *\[Symbol\.dispose\]\(\): void;\n/gm, '');
  writeFileSync(join(source, kind, 'api.d.ts'), types);
  writeFileSync(join(source, kind, 'api.js'), `export { ${names.join(', ')} } from './xln_bg.js';\n`);
  const bindings = 'export function __wbg_set_wasm(exports: unknown): void;\n';
  writeFileSync(join(source, kind, 'xln_bg.d.ts'), bindings);
  writeFileSync(join(source, kind, 'xln_bg.d.wasm.ts'), 'export function __wbindgen_start(): void;\n');
}

rmSync(dist, { recursive: true, force: true });
const files = readdirSync(source).filter((name) => name.endsWith('.ts'));
declare(files);
const [esm, cjs] = [join(dist, 'esm'), join(dist, 'cjs')];
const inNode = (name) => name.endsWith('node.ts');
const scripts = [...files, ...kinds.flatMap((kind) => [`${kind}/api.js`, `${kind}/xln_bg.js`])];
for (const name of scripts) {
  const text = readFileSync(join(source, name), 'utf8');
  const out = name.replace(/\.ts$/, '.js');
  if (!inNode(name)) await emit(join(esm, out), text, ts.ModuleKind.ESNext);
  if (!/web\.ts$|bundler\.ts$/.test(name)) await emit(join(cjs, out), text, ts.ModuleKind.CommonJS);
}
for (const kind of kinds) cpSync(join(source, kind, 'xln_bg.wasm'), join(esm, kind, 'xln_bg.wasm'));
writeFileSync(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');
// One instance in a process, whichever way it is loaded: the ES modules of Node hand on the CommonJS ones.
const { createRequire } = await import('node:module');
const require = createRequire(import.meta.url);
for (const name of ['node', 'lite-node']) {
  const names = Object.keys(require(join(cjs, `${name}.js`))).filter((key) => key !== '__esModule');
  const lines = [`import cjs from '../cjs/${name}.js';`, `export const { ${names.join(', ')} } = cjs;`, ''];
  writeFileSync(join(esm, `${name}.js`), lines.join('\n'));
}

/** The names that the generated entry hands on. */
function exported(text) {
  const [, list] = /export \{([^}]*)\} from "\.\/xln_bg\.js"/.exec(text.replace(/\s+/g, ' ')) ?? [];
  if (list === undefined) throw new Error('the generated entry exports nothing that is known');
  return list.split(',').map((name) => name.trim()).filter((name) => name !== '');
}

/** Pages download the ES modules, so those are made small; the CommonJS ones are for Node and stay as they are. */
async function emit(path, text, module) {
  mkdirSync(dirname(path), { recursive: true });
  const options = { module, target: ts.ScriptTarget.ES2022, esModuleInterop: true, removeComments: true };
  const script = ts.transpileModule(text, { compilerOptions: options }).outputText;
  writeFileSync(path, module === ts.ModuleKind.CommonJS ? script : (await minify(script, { module: true, keep_classnames: true })).code);
}

/** Checks all types, strictly, and writes the declarations for both kinds of modules. */
function declare(names) {
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noImplicitOverride: true,
    allowArbitraryExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: source,
    outDir: join(dist, 'esm'),
  };
  const program = ts.createProgram(names.map((name) => join(source, name)), options);
  const found = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  if (found.length > 0) {
    const host = { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
    process.stderr.write(ts.formatDiagnostics(found, host));
    process.exit(1);
  }
  for (const kind of kinds) {
    for (const name of ['api.d.ts', 'xln_bg.d.ts']) {
      mkdirSync(join(dist, 'esm', kind), { recursive: true });
      cpSync(join(source, kind, name), join(dist, 'esm', kind, name));
    }
  }
  cpSync(join(dist, 'esm'), join(dist, 'cjs'), { recursive: true });
}
