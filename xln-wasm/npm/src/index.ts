export { XlnError } from './errors.js';
export * from './full/api.js';
export { IndexedDbStore, MemoryStore } from './store.js';
export type { KvRow, KvStore, KvWrite } from './store.js';
export { WebSocketTransport } from './websocket.js';
export type { MessageSink, Receiver, WebSocketOptions } from './websocket.js';
