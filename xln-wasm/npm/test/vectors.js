// The golden vectors of the core, as they lie in the repository.
import { readFileSync } from 'node:fs';

const folder = new URL('../../../xln-core/tests/vectors/', import.meta.url);

const read = (names) => Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))]));

/** The files whose functions every entry offers, by name. */
export const vectors = () => read(['derive_delta', 'signatures', 'commitments', 'depository_digests']);

/** Those of the whole package. */
export const stateVectors = () => read(['bodies', 'record']);

/** How many vectors there are. */
export const count = (files) => Object.values(files).reduce((sum, file) => sum + file.vectors.length, 0);
