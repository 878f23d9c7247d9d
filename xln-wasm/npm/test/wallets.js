// What the wallet's tests share, in Node and in pages.

export const key = { chain: 1n, depository: `0x${'d0'.repeat(20)}` };
export const token = 1;
const provider = `0x${'5c'.repeat(20)}`;

/** One Depository with windows as they must be at least; no chain is watched. */
export const config = {
  depositories: [
    { key, windowS: 3600n, entityProvider: `0x${'ee'.repeat(20)}`, graceS: 10_800n, providers: [provider], maxSettleMarginS: 3600n },
  ],
};

export const bytes = (hex) => Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** Opens a channel, at one Depository, with one token in which either may owe the other `limit`. */
export async function befriend(one, other, limit, key = config.depositories[0].key) {
  const place = { peer: other.entity, key };
  await one.openChannel({ ...place, providers: [provider], settleMarginS: 600n });
  await one.addToken({ ...place, token });
  await one.grantCredit({ ...place, token, limit });
  await other.grantCredit({ peer: one.entity, key, token, limit });
}

/** The token's info in one wallet's channel with a peer. */
export async function tokenOf(wallet, peer) {
  const channel = await wallet.channel(peer);
  return channel.subchannels[0].tokens[0];
}

/** Left's allocation, as a wallet's channel with a peer has it, from that wallet's side. */
export async function balance(wallet, peer) {
  const { side, capacities } = await tokenOf(wallet, peer);
  return side === 'left' ? capacities.delta : -capacities.delta;
}

/** A value that `check` finds good, asked for until then. */
export async function until(check, what = `${check}`) {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never: ${what}`);
}
