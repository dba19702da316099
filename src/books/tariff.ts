import { toMicroUsd, type MicroUsd } from '../model/index.ts';

/** A block bought ahead at a fixed price; what is not used of it is sold, and what is used beyond it bought, at real time. */
export interface BlockTariff {
  readonly blockW: number;
  readonly blockUsdPerMwh: number;
}

export interface Settlement {
  /** The whole block at its price, and the energy above it at the real-time price. */
  readonly energyCost: MicroUsd;
  /** Unused block sold at the real-time price; negative when that price is. Avoided cost is never revenue. */
  readonly gridRevenue: MicroUsd;
  readonly soldMwh: number;
}

/** Settles one interval. @param importWh metered import @param hours length of the interval */
export function settle(tariff: BlockTariff, importWh: number, hours: number, priceUsdPerMwh: number): Settlement {
  const importMwh = importWh / 1e6;
  const blockMwh = (tariff.blockW / 1e6) * hours;
  const boughtMwh = Math.max(0, importMwh - blockMwh);
  const soldMwh = Math.max(0, blockMwh - importMwh);
  return {
    energyCost: toMicroUsd(blockMwh * tariff.blockUsdPerMwh + boughtMwh * priceUsdPerMwh),
    gridRevenue: toMicroUsd(soldMwh * priceUsdPerMwh),
    soldMwh,
  };
}
