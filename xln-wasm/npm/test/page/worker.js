// Runs what it is asked in a worker of its own.
import { deriveDelta, init, keccak256 } from '../../dist/esm/web.js';

onmessage = async ({ data }) => {
  try {
    await init();
    postMessage({ hash: keccak256(new Uint8Array()), view: deriveDelta(data, 'right') });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
