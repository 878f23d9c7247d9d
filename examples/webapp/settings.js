// Where the money would be settled, and the way to the others. These addresses are made up: nothing here touches a chain.
export const token = 1;

export const depository = {
  key: { chain: 1n, depository: `0x${'d0'.repeat(20)}` },
  windowS: 3600n,
  entityProvider: `0x${'ee'.repeat(20)}`,
  graceS: 10_800n,
  providers: [`0x${'5c'.repeat(20)}`],
  maxSettleMarginS: 3600n,
};

export const relay = () => new URLSearchParams(location.search).get('relay') ?? 'ws://127.0.0.1:8787';
