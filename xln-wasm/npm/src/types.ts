/** Bytes as text: `0x` and lower-case hex digits. Any case is taken. */
export type Hex = `0x${string}`;
