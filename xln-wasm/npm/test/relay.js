// A relay for the tests and the example: it passes frames on between entities and says who is there. It believes every name,
// so it is no more than a model of a real one.
import { WebSocketServer } from 'ws';

/** Serves on a port of its own on loopback. `cut(entity)` breaks a connection; `refuse` turns all newcomers away while true. */
export async function relay() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const clients = new Map();
  const state = { refuse: false };
  const others = (entity, news) => {
    for (const [name, socket] of clients) if (name !== entity) socket.send(JSON.stringify(news));
  };
  const leave = (entity, socket) => {
    if (clients.get(entity) !== socket) return;
    clients.delete(entity);
    others(entity, { offline: entity });
  };
  server.on('connection', (socket, request) => {
    const entity = new URL(request.url, 'ws://relay').searchParams.get('entity') ?? '';
    if (state.refuse || !/^0x[0-9a-f]{64}$/.test(entity)) return socket.terminate();
    const old = clients.get(entity);
    if (old !== undefined) {
      leave(entity, old);
      old.terminate();
    }
    for (const name of clients.keys()) socket.send(JSON.stringify({ online: name }));
    clients.set(entity, socket);
    others(entity, { online: entity });
    socket.on('message', (data, isBinary) => {
      if (!isBinary || data.length < 32) return;
      const to = clients.get(`0x${data.subarray(0, 32).toString('hex')}`);
      to?.send(Buffer.concat([Buffer.from(entity.slice(2), 'hex'), data.subarray(32)]));
    });
    socket.on('close', () => leave(entity, socket));
    socket.on('error', () => socket.terminate());
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    cut: (entity) => clients.get(entity)?.terminate(),
    refuse: (now) => (state.refuse = now),
    close: () => {
      for (const socket of clients.values()) socket.terminate();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
