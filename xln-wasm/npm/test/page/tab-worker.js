// The same in a worker, which answers `[number, method, arguments]`.
import { tab } from './tab.js';

onmessage = async ({ data: [number, method, args] }) => {
  try {
    postMessage([number, await tab[method](...args)]);
  } catch (error) {
    postMessage([number, undefined, `${error.code}: ${error}`]);
  }
};
