// The golden vectors of the core, as they lie in the repository.
import { readFileSync } from 'node:fs';

const folder = new URL('../../../xln-core/tests/vectors/', import.meta.url);

/** The files whose functions the package offers, by name. */
export function vectors() {
  const names = ['derive_delta', 'signatures', 'commitments', 'depository_digests', 'bodies'];
  return Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))]));
}
