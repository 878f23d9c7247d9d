import type { Hex } from './types.js';

/** What a transport needs of a wallet. */
export interface Receiver {
  connected(peer: Hex): Promise<void>;
  disconnected(peer: Hex): Promise<void>;
  receive(from: Hex, bytes: Uint8Array): Promise<void>;
}

/** The way to a wallet's peers. */
export interface MessageSink {
  /** Takes a message for a peer. What is lost is sent again when the peer is back. */
  send(to: Hex, bytes: Uint8Array): Promise<void>;
}

/** A transport's options. */
export interface WebSocketOptions {
  /** Milliseconds before the first attempt to come back; they double up to a minute. */
  retryMs?: number;
  /** Told what went wrong; the transport goes on by itself. */
  onError?: (error: unknown) => void;
}

const MAX_RETRY_MS = 60_000;

/**
 * Messages over a relay: a frame is the other entity's 32 bytes, then the message; `{"online": entity}` and
 * `{"offline": entity}` as text say who is there. The relay vouches for names, so it must know its clients or be trusted;
 * what it may do at worst is to delay and to lose, since all that counts is signed.
 */
export class WebSocketTransport implements MessageSink {
  readonly #url: string;
  readonly #options: WebSocketOptions;
  readonly #peers = new Set<Hex>();
  #wallet: Receiver | undefined;
  #socket: WebSocket | undefined;
  #order: Promise<void> = Promise.resolve();
  #retries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, options: WebSocketOptions = {}) {
    this.#url = url;
    this.#options = options;
  }

  /** Connects, and hands to the wallet what comes, in order. */
  start(wallet: Receiver): void {
    this.#wallet = wallet;
    this.#connect();
  }

  /** Hangs up for good. */
  stop(): void {
    this.#wallet = undefined;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  async send(to: Hex, bytes: Uint8Array): Promise<void> {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Error('not connected');
    const frame = new Uint8Array(32 + bytes.length);
    for (let at = 0; at < 32; at += 1) frame[at] = Number.parseInt(to.slice(2 + 2 * at, 4 + 2 * at), 16);
    frame.set(bytes, 32);
    this.#socket.send(frame);
  }

  #connect(): void {
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => (this.#retries = 0);
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => this.#take(data);
    socket.onclose = () => {
      for (const peer of this.#peers) this.#enqueue((wallet) => wallet.disconnected(peer));
      this.#peers.clear();
      if (this.#wallet === undefined) return;
      const pause = Math.min(MAX_RETRY_MS, (this.#options.retryMs ?? 500) * 2 ** this.#retries);
      this.#retries += 1;
      this.#timer = setTimeout(() => this.#connect(), pause);
    };
    this.#socket = socket;
  }

  #take(data: ArrayBuffer | string): void {
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(data);
      const from = Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, '0')).join('');
      this.#enqueue((wallet) => wallet.receive(`0x${from}`, bytes.slice(32)));
      return;
    }
    const news = JSON.parse(data) as { online?: Hex; offline?: Hex };
    const { online, offline } = news;
    if (online !== undefined) {
      this.#peers.add(online);
      this.#enqueue((wallet) => wallet.connected(online));
    }
    if (offline !== undefined && this.#peers.delete(offline)) this.#enqueue((wallet) => wallet.disconnected(offline));
  }

  #enqueue(step: (wallet: Receiver) => Promise<void>): void {
    this.#order = this.#order
      .then(() => (this.#wallet === undefined ? undefined : step(this.#wallet)))
      .catch((error: unknown) => this.#options.onError?.(error));
  }
}
