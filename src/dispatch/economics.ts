/** Block subsidy since block 840,000 (April 2024), in BTC; the next halving is due in 2028. */
export const SUBSIDY_BTC = 3.125;

/**
 * Expected bitcoin of one PH/s over one day: `86400 s x 1e15 H/s x (subsidy + fees) / (difficulty x 2^32)`.
 * Difficulty, never observed hashrate: the latter carries the luck of the day.
 */
export const btcPerPhDay = (difficulty: number, feesBtcPerBlock: number): number =>
  (86_400e15 * (SUBSIDY_BTC + feesBtcPerBlock)) / (difficulty * 2 ** 32);

/** Expected FPPS value of hash before fees, in $/PH/day. */
export const hashpriceUsdPerPhDay = (chain: {
  readonly difficulty: number;
  readonly feesBtcPerBlock: number;
  readonly btcUsd: number;
}): number => btcPerPhDay(chain.difficulty, chain.feesBtcPerBlock) * chain.btcUsd;

/** What one TH/s earns in one hour, in $, once pool fee and stale shares are off. */
export const usdPerThHour = (hashpriceUsdPerPhDay: number, keptFraction: number): number =>
  (hashpriceUsdPerPhDay * keptFraction) / 24_000;

/**
 * Price in $/MWh at the connection's meter at which a machine just pays for its power.
 * @param siteMultiplier watts at the meter per watt of the machine: cooling and losses, e.g. 1.08.
 */
export const breakEvenUsdPerMwh = (
  hashpriceUsdPerPhDay: number,
  keptFraction: number,
  joulePerTh: number,
  siteMultiplier: number,
): number => (usdPerThHour(hashpriceUsdPerPhDay, keptFraction) * 1e6) / (joulePerTh * siteMultiplier);

/** Magnus coefficients over water (Sonntag 1990), the same ones both ways. */
const MAGNUS_B = 17.62;
const MAGNUS_C = 243.12;

/** Relative humidity in % from temperature and dew point; 100 where the dew point is not below the temperature. */
export function relativeHumidityPct(temperatureC: number, dewPointC: number): number {
  const exponent = (t: number): number => (MAGNUS_B * t) / (MAGNUS_C + t);
  return Math.min(100, 100 * Math.exp(exponent(dewPointC) - exponent(temperatureC)));
}

/** Dew point in C from temperature and relative humidity in %. */
export function dewPointC(temperatureC: number, humidityPct: number): number {
  const gamma = Math.log(humidityPct / 100) + (MAGNUS_B * temperatureC) / (MAGNUS_C + temperatureC);
  return (MAGNUS_C * gamma) / (MAGNUS_B - gamma);
}

/**
 * Wet-bulb temperature in C at sea level from temperature and dew point. Stull 2011, "Wet-Bulb Temperature from
 * Relative Humidity and Air Temperature", fitted for 5-99 % and -20..50 C, within about 0.3 K for most of it.
 */
export function wetBulbC(temperatureC: number, dewPointC: number): number {
  const rh = relativeHumidityPct(temperatureC, dewPointC);
  return (
    temperatureC * Math.atan(0.151977 * Math.sqrt(rh + 8.313659)) +
    Math.atan(temperatureC + rh) -
    Math.atan(rh - 1.676331) +
    0.00391838 * rh ** 1.5 * Math.atan(0.023101 * rh) -
    4.686035
  );
}
