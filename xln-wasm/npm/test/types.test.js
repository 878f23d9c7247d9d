import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import ts from 'typescript';

const consumer = fileURLToPath(new URL('types/consumer.ts', import.meta.url));
const common = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: false,
  target: ts.ScriptTarget.ES2022,
  types: [],
};
const ways = {
  'Node, as a module': { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  'Node, as CommonJS': {
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    customConditions: ['node', 'require'],
  },
  'a bundler': { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
};

for (const [name, way] of Object.entries(ways)) {
  test(`tsc --strict: ${name}`, () => {
    const program = ts.createProgram([consumer], { ...common, ...way });
    const found = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
      return `${diagnostic.file?.fileName}:${diagnostic.start} ${text}`;
    });
    assert.deepEqual(found, []);
  });
}
