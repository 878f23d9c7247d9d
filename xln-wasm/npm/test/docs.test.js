import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const run = (snippet) => {
  assert.equal(snippet.trimEnd().split('\n').length, 5);
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  return execFileSync(process.execPath, ['--input-type=module', '--eval', snippet], { cwd, encoding: 'utf8' }).trim();
};
const page = readFileSync(new URL('../../../docs/wasm.md', import.meta.url), 'utf8');

test('the five lines of docs/wasm.md print what it says', () => {
  const [, snippet] = /## Five lines\n\n```js\n([^]*?)```/.exec(page);
  const [, expected] = /It prints `([^`]*)`/.exec(page);
  assert.equal(run(snippet), expected);
});

test('the five lines of the README print the same', () => {
  const script = fileURLToPath(new URL('../../../scripts/snippet.sh', import.meta.url));
  assert.equal(run(execFileSync(script, ['js'], { encoding: 'utf8' })), '500n true');
});
