import { XlnError } from './errors.js';

/** One row of a store. */
export type KvRow = readonly [key: Uint8Array, value: Uint8Array];
/** One write: `null` deletes the key. */
export type KvWrite = readonly [key: Uint8Array, value: Uint8Array | null];

/**
 * Where a wallet is kept: an ordered map from bytes to bytes that survives a crash. A page may bring its own. One store
 * belongs to one wallet, and to one tab at a time: a store that can tell must refuse a second owner.
 */
export interface KvStore {
  /** The value of a key. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All rows whose key begins with `prefix`, in any order. */
  scan(prefix: Uint8Array): Promise<KvRow[]>;
  /**
   * Applies all writes in order, or none, and resolves only once they are durable. If it rejects, the wallet must be opened
   * anew, since the writes may have happened.
   */
  commit(batch: KvWrite[]): Promise<void>;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** A store that forgets: for tests, and for what may be lost. */
export class MemoryStore implements KvStore {
  readonly #rows = new Map<string, KvRow>();

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#rows.get(hex(key))?.[1].slice();
  }

  async scan(prefix: Uint8Array): Promise<KvRow[]> {
    const begin = hex(prefix);
    return [...this.#rows].filter(([name]) => name.startsWith(begin)).map(([, [key, value]]) => [key, value.slice()]);
  }

  async commit(batch: KvWrite[]): Promise<void> {
    for (const [key, value] of batch) {
      if (value === null) this.#rows.delete(hex(key));
      else this.#rows.set(hex(key), [key.slice(), value.slice()]);
    }
  }
}

/** Name of the row that says who owns the store; kept apart from the wallet's rows. */
const OWNER = 'owner';

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException('transaction was aborted', 'AbortError'));
  });

/**
 * A store in the browser's IndexedDB. Every batch is one transaction with strict durability. It belongs to one tab or worker:
 * a Web Lock keeps others out while it is open, and every batch checks in its own transaction that nobody took it over.
 */
export class IndexedDbStore implements KvStore {
  readonly #database: IDBDatabase;
  readonly #owner: string;
  readonly #release: () => void;

  private constructor(database: IDBDatabase, owner: string, release: () => void) {
    this.#database = database;
    this.#owner = owner;
    this.#release = release;
  }

  /**
   * Opens the store of this name, or makes it. Throws `store_in_use` if another tab or worker has it open, and `no_locks` where
   * the browser cannot tell, since two wallets on one store would sign against each other.
   */
  static async open(name: string): Promise<IndexedDbStore> {
    const release = await lock(`xln-wasm:${name}`);
    try {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore('rows');
        request.result.createObjectStore('meta');
      };
      const database = await done(request);
      const owner = hex(crypto.getRandomValues(new Uint8Array(16)));
      const taking = database.transaction('meta', 'readwrite', { durability: 'strict' });
      taking.objectStore('meta').put(owner, OWNER);
      await finished(taking);
      return new IndexedDbStore(database, owner, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const rows = this.#database.transaction('rows').objectStore('rows');
    const value: unknown = await done(rows.get(key as Uint8Array<ArrayBuffer>));
    return value === undefined ? undefined : (value as Uint8Array);
  }

  async scan(prefix: Uint8Array): Promise<KvRow[]> {
    const rows = this.#database.transaction('rows').objectStore('rows');
    const range = startingWith(prefix);
    const [keys, values] = await Promise.all([done(rows.getAllKeys(range)), done(rows.getAll(range))]);
    return keys.map((key, index) => [new Uint8Array(key as ArrayBuffer), values[index] as Uint8Array]);
  }

  async commit(batch: KvWrite[]): Promise<void> {
    const transaction = this.#database.transaction(['rows', 'meta'], 'readwrite', { durability: 'strict' });
    const end = finished(transaction);
    const owner = transaction.objectStore('meta').get(OWNER);
    let taken = false;
    owner.onsuccess = () => {
      if (owner.result !== this.#owner) {
        taken = true;
        transaction.abort();
        return;
      }
      const rows = transaction.objectStore('rows');
      for (const [key, value] of batch) {
        if (value === null) rows.delete(key as Uint8Array<ArrayBuffer>);
        else rows.put(value, key as Uint8Array<ArrayBuffer>);
      }
    };
    await end.catch((error: unknown) => {
      if (taken) throw new XlnError('store_taken', 'the store was opened by another tab');
      throw error;
    });
  }

  /** Lets others open it. Close the wallet first. */
  close(): void {
    this.#database.close();
    this.#release();
  }
}

/** The keys that begin with these bytes. */
function startingWith(prefix: Uint8Array): IDBKeyRange | undefined {
  const end = Array.from(prefix);
  while (end.at(-1) === 255) end.pop();
  const last = end.pop();
  const from = prefix as Uint8Array<ArrayBuffer>;
  if (last === undefined) return prefix.length === 0 ? undefined : IDBKeyRange.lowerBound(from);
  return IDBKeyRange.bound(from, new Uint8Array([...end, last + 1]), false, true);
}

/** Takes a lock of this name until the function that it gives is called, or the tab ends. */
function lock(name: string): Promise<() => void> {
  const locks = globalThis.navigator?.locks;
  if (!locks) throw new XlnError('no_locks', 'this page has no Web Locks: it needs a secure context');
  return new Promise((resolve, reject) => {
    locks
      .request(name, { ifAvailable: true }, (held) => {
        if (held === null) throw new XlnError('store_in_use', 'the store is open in another tab or worker');
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}
