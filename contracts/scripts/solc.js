#!/usr/bin/env node
// The compiler from npm (wasm), behind the command line that forge expects of a native solc.
"use strict";
const fs = require("fs");
const path = require("path");
const root = path.resolve(__dirname, "..");
const pkg = path.join(root, "node_modules", "solc");
const load = () => require(pkg);

function write(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(1, bytes, at);
    } catch (e) {
      if (e.code !== "EAGAIN") throw e;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

const args = process.argv.slice(2);
if (args.includes("--version")) {
  // Loading the wasm is slow and forge asks at every start.
  const wanted = require(path.join(pkg, "package.json")).version;
  const cache = path.join(root, "cache", `solc-version-${wanted}`);
  let version;
  try {
    version = fs.readFileSync(cache, "utf8");
  } catch {
    version = load().version().replace(".Emscripten.clang", "");
    fs.mkdirSync(path.dirname(cache), { recursive: true });
    fs.writeFileSync(cache, version);
  }
  write(`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++\n`);
} else if (args.includes("--standard-json")) {
  const option = (name) => args.flatMap((a, i) => (a === name ? [args[i + 1]] : []));
  const roots = [...option("--base-path"), ...option("--include-path"), "."];
  const rest = args.filter((a, i) => !a.startsWith("--") && !/^--(base-path|include-path|allow-paths)$/.test(args[i - 1] || ""));
  const input = fs.readFileSync(rest.length ? rest[rest.length - 1] : 0, "utf8");
  const find = (name) => {
    for (const r of roots) {
      const file = path.resolve(r, name);
      if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
    }
    return { error: `not found: ${name}` };
  };
  write(load().compile(input, { import: find }));
} else {
  process.stderr.write("only --version and --standard-json\n");
  process.exitCode = 1;
}
