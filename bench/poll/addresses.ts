/** Second number of the address of the first family's machines, and of those that take a connection and stay silent. */
export const FIRST_NET = 100;
export const SILENT_NET = 200;

/** The nth machine of the network that is discovered: every twentieth address of 127.77.0.0/16. */
export const addressAt = (n: number): string => {
  const at = 1 + n * 20;
  return `127.77.${Math.floor(at / 256)}.${at % 256}`;
};
