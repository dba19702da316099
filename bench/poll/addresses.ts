/** Second number of the address of the first family's machines, and of those that take a connection and stay silent. */
export const FIRST_NET = 100;
export const SILENT_NET = 200;
