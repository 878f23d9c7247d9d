// A wallet in a page: its store in IndexedDB, its peers behind a relay, credit between people who know each other.
import { IndexedDbStore, Key, Wallet, WebSocketTransport, bar, init } from 'xln-wasm';

import { depository, relay, token } from './settings.js';

const show = (id, text) => (document.getElementById(id).textContent = text);

/** The demo keeps its key in the clear. An app asks for a passphrase, or lets a device sign (`Wallet.openWith`). */
function secretOfThisBrowser() {
  const kept = localStorage.getItem('secret');
  if (kept !== null) return Uint8Array.from(JSON.parse(kept));
  const secret = crypto.getRandomValues(new Uint8Array(32));
  localStorage.setItem('secret', JSON.stringify([...secret]));
  return secret;
}

async function draw(wallet) {
  const lines = [];
  for (const { peer, side, height, subchannels } of await wallet.channels()) {
    for (const { tokens } of subchannels) {
      for (const { token, state, capacities } of tokens) {
        const delta = {
          collateral: state.collateral,
          ondelta: state.ondelta,
          offdelta: state.offdelta,
          leftCreditLimit: state.leftLimit,
          rightCreditLimit: state.rightLimit,
          leftAllowance: state.leftHold,
          rightAllowance: state.rightHold,
        };
        lines.push(`${peer}, block ${height}, token ${token}`);
        lines.push(`can pay ${capacities.outCapacity}, can receive ${capacities.inCapacity}`, bar(delta, side, 60));
      }
    }
  }
  show('channels', lines.join('\n'));
}

async function main() {
  await init();
  const key = new Key(secretOfThisBrowser());
  const store = await IndexedDbStore.open(`wallet-${key.entity}`);
  await navigator.storage.persist();
  const transport = new WebSocketTransport(`${relay()}/?entity=${key.entity}`);
  const changed = () => queueMicrotask(() => draw(wallet));
  const wallet = await Wallet.open(key, { store, transport, onEvent: changed }, { depositories: [depository] });
  show('me', wallet.entity);
  transport.start(wallet);
  setInterval(() => wallet.tick(), 30_000);
  document.getElementById('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const place = { peer: document.getElementById('peer').value, key: depository.key };
    const amount = BigInt(document.getElementById('amount').value);
    try {
      if (event.submitter.value === 'open') {
        const known = await wallet.channel(place.peer);
        if (!known?.subchannels.length) {
          await wallet.openChannel({ ...place, providers: depository.providers, settleMarginS: 600n });
          await wallet.addToken({ ...place, token });
        }
        await wallet.grantCredit({ ...place, token, limit: amount });
        show('said', `granted ${amount}`);
      } else {
        await wallet.pay({ ...place, token, amount });
        show('said', `paid ${amount}`);
      }
    } catch (error) {
      show('said', `${error.code}: ${error.message}`);
    }
  });
  await draw(wallet);
  show('state', 'ready');
}

main().catch((error) => show('state', `${error}`));
