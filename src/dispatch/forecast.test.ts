import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, type Point, QUARTER, type Series, type SeriesName, siteMs } from '../model/index.ts';
import { hashpriceUsdPerPhDay, wetBulbC } from './economics.ts';
import { buildForecast } from './forecast.ts';

const START = Date.UTC(2026, 2, 23);
const at = (offset: number) => siteMs(START + offset);

function series(name: SeriesName, intervalMs: number, values: readonly number[], start = 0): Series {
  const points = values.map((value, i): Point => ({ start: at(start + i * intervalMs), value }));
  return { name, provenance: 'measured', source: 'test', intervalMs, holdsMs: 2 * intervalMs, points };
}
const REST = [
  series(
    'temperatureC',
    HOUR,
    Array.from({ length: 96 }, () => 25),
  ),
  series(
    'dewPointC',
    HOUR,
    Array.from({ length: 96 }, () => 15),
  ),
  series('difficulty', 14 * DAY, [133.8e12]),
  series('btcUsd', DAY, [70_500, 70_500, 71_500, 68_500]),
  series('feesBtcPerBlock', 7 * DAY, [0.016]),
];
const prices = (values: readonly number[]): Series => series('priceUsdPerMwh', QUARTER, values);
const twoDays = prices(Array.from({ length: 192 }, (_, i) => (Math.floor(i / 4) % 24) * 10));

test('the running quarter-hour has the price in force and is the only known one', () => {
  const { forecast } = buildForecast([twoDays, ...REST], at(30 * HOUR + 1 * MINUTE));
  const steps = forecast!.steps;
  expect(steps[0]!.priceUsdPerMwh).toBe(60);
  expect(steps.filter((step) => step.known).map((step) => step.start)).toEqual([
    at(30 * HOUR + 1 * MINUTE),
    at(30 * HOUR + 5 * MINUTE),
    at(30 * HOUR + 10 * MINUTE),
  ]);
});

test('far ahead the forecast is the mean of that hour of the days seen', () => {
  const { forecast } = buildForecast([twoDays, ...REST], at(47 * HOUR + 45 * MINUTE));
  const far = forecast!.steps.find((step) => step.start === at(48 * HOUR + 14 * HOUR))!;
  expect(far.priceUsdPerMwh).toBeCloseTo(140, 0);
});

test('near, what is now fades over two hours', () => {
  const spike = prices([...Array.from({ length: 96 }, () => 40), 400]);
  const { forecast } = buildForecast([spike, ...REST], at(DAY));
  const in2h = forecast!.steps.find((step) => step.start === at(DAY + 2 * HOUR))!;
  expect(in2h.priceUsdPerMwh).toBeCloseTo(40 + 360 / Math.E, 0);
  // What is known does not fade.
  const known = forecast!.steps.filter((step) => step.known);
  expect(known.map((step) => step.priceUsdPerMwh)).toEqual([400, 400, 400]);
});

test('with little history the mean so far stands for hours not yet seen', () => {
  const { forecast } = buildForecast([prices([20, 40, 60]), ...REST], at(40 * MINUTE));
  const far = forecast!.steps.at(-10)!;
  expect(far.priceUsdPerMwh).toBeCloseTo(40, 1);
});

test('a spike is not expected again a week later, a weekend is', () => {
  const weekend = (i: number): boolean => (Math.floor(START / DAY + i / 96 + 4) % 7) % 6 === 0;
  const calm = Array.from({ length: 28 * 96 }, (_, i) => (weekend(i) ? 20 : 50));
  const spiked = calm.map((value, i) => (i >= 21 * 96 + 48 && i < 21 * 96 + 52 ? 5_000 : value));
  const rest = REST.map((one) => ({ ...one, holdsMs: 60 * DAY }));
  const friday = at(25 * DAY + 23 * HOUR);
  const far = (values: readonly number[], now: number, hours: number): number =>
    buildForecast([prices(values.slice(0, (now - START) / QUARTER + 1)), ...rest], siteMs(now)).forecast!.steps.find(
      ({ start }) => start === now + hours * HOUR,
    )!.priceUsdPerMwh;
  // Of the hour of the day alone, both would be expected at 41.
  expect(far(calm, friday, 23)).toBeLessThan(38);
  expect(far(calm, at(28 * DAY - HOUR), 23)).toBeGreaterThan(43);
  const sunday = at(28 * DAY - HOUR);
  expect(far(spiked, sunday, 13)).toBeCloseTo(far(calm, sunday, 13), 0);
});

test('what a forecast kept from an earlier one changes nothing', () => {
  const again = (offset: number) => buildForecast([{ ...twoDays, points: [...twoDays.points] }, ...REST], at(offset));
  for (const offset of [20 * HOUR, 30 * HOUR + 1, 30 * HOUR + QUARTER, 20 * HOUR])
    expect(buildForecast([twoDays, ...REST], at(offset))).toEqual(again(offset));
});

test('weather becomes wet bulb, the chain becomes hashprice', () => {
  const { forecast, notes } = buildForecast([twoDays, ...REST], at(30 * HOUR));
  const chain = { difficulty: 133.8e12, btcUsd: 70_500, feesBtcPerBlock: 0.016 };
  expect(forecast!.steps[5]!.wetBulbC).toBeCloseTo(wetBulbC(25, 15), 9);
  expect(forecast!.steps[5]!.hashpriceUsdPerPhDay).toBeCloseTo(hashpriceUsdPerPhDay(chain), 9);
  expect(notes).toEqual([]);
});

test('hash is worth less from the retarget on that block heights foretell', () => {
  const heights = series(
    'blockHeight',
    8 * MINUTE,
    Array.from({ length: 226 }, (_, i) => 466 * 2016 + 1770 + i),
  );
  const now = 225 * 8 * MINUTE;
  const { forecast } = buildForecast([twoDays, { ...heights, holdsMs: DAY }, ...REST], at(now));
  const [plain] = buildForecast([twoDays, ...REST], at(now)).forecast!.steps;
  const due = now + 21 * 8 * MINUTE;
  for (const step of forecast!.steps)
    expect(step.hashpriceUsdPerPhDay).toBeCloseTo(plain!.hashpriceUsdPerPhDay / (step.start >= at(due) ? 1.25 : 1), 9);
});

test('no look-ahead: points after the moment change nothing, however wild', () => {
  const wild = fc.record({
    after: fc.integer({ min: 1, max: 3 * DAY }),
    value: fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 * HOUR }),
      fc.array(wild, { minLength: 1, maxLength: 30 }),
      (now, future) => {
        const known = [twoDays, ...REST].map((s) => ({ ...s, points: s.points.filter((p) => p.start <= at(now)) }));
        const later = [...future].sort((a, b) => a.after - b.after);
        const extended = known.map((s) => ({
          ...s,
          points: [...s.points, ...later.map(({ after, value }) => ({ start: at(now + after), value }))],
        }));
        expect(buildForecast(extended, at(now))).toEqual(buildForecast(known, at(now)));
      },
    ),
  );
});

test('a stale price counts as the highest of its last day, everywhere, and is said', () => {
  const values = Array.from({ length: 192 }, (_, i) => (i === 60 ? 900 : i === 130 ? 210 : 30));
  const { forecast, notes } = buildForecast([prices(values), ...REST], at(49 * HOUR));
  expect(forecast!.steps.every((step) => step.priceUsdPerMwh === 210 && !step.known)).toBe(true);
  expect(notes.join()).toContain('price is stale since 2026-03-25T00:00:00Z: planned at $210.00/MWh');
});

test('one missed quarter-hour is carried on but not called known', () => {
  const { forecast } = buildForecast([prices([20, 40]), ...REST], at(31 * MINUTE));
  expect(forecast!.steps[0]).toMatchObject({ priceUsdPerMwh: 40, known: false });
});

test('what generators can make is known where a feed tells it, and silent it is not taken for anything', () => {
  const solar = series(
    'availableMw.solar',
    QUARTER,
    Array.from({ length: 192 }, (_, i) => Math.max(0, 6 * Math.sin((i / 96) * 2 * Math.PI))),
  );
  const told = buildForecast([twoDays, solar, ...REST], at(30 * HOUR));
  expect(told.forecast!.steps[0]!.availableMw).toEqual({ 'availableMw.solar': expect.closeTo(6, 6) as number });
  // Seventeen hours later it is dark, as it was the night before.
  expect(
    told.forecast!.steps.find(({ start }) => start === at(47 * HOUR))!.availableMw!['availableMw.solar'],
  ).toBeLessThan(0.01);
  const late = buildForecast([prices(Array.from({ length: 200 }, () => 20)), solar, ...REST], at(49 * HOUR));
  expect(late.forecast!.steps[0]!.availableMw).toBeUndefined();
  expect(late.notes).toEqual(['availableMw.solar is stale: planned with 0 MW']);
  const said = buildForecast(
    [prices(Array.from({ length: 200 }, () => 20)), { ...solar, whenStale: 1.5 }, ...REST],
    at(49 * HOUR),
  );
  expect(said.forecast!.steps[90]!.availableMw).toEqual({ 'availableMw.solar': 1.5 });
});

test('what was never told is said; without price or chain there is no forecast', () => {
  expect(buildForecast(REST, at(HOUR))).toEqual({
    forecast: undefined,
    notes: ['no price was ever told: no plan can be made'],
  });
  expect(buildForecast([twoDays, ...REST.filter((s) => s.name !== 'btcUsd')], at(HOUR)).forecast).toBeUndefined();
  const bare = buildForecast([twoDays, ...REST.filter((s) => !/temperature|fees/.test(s.name))], at(HOUR));
  expect(bare.forecast!.steps[0]!.wetBulbC).toBe(28);
  expect(bare.notes).toHaveLength(2);
});

/** Day-ahead prices of four local days in Chicago (CDT, five hours behind): $100 and the hour since the first one began. */
const ahead = (value = (i: number) => 100 + i): Series => ({
  ...series(
    'dayAheadUsdPerMwh',
    HOUR,
    Array.from({ length: 96 }, (_, i) => value(i)),
    5 * HOUR,
  ),
  clearsIn: 'America/Chicago',
});
const forecastWith = (dayAhead: Series, moment: number) =>
  buildForecast([twoDays, dayAhead, ...REST], at(moment)).forecast!.steps;
const ONE_PM = 24 * HOUR + 18 * HOUR;

test('where a market has cleared the forecast follows it, real time apart for as long as that lasts', () => {
  const steps = forecastWith(ahead(), ONE_PM + HOUR);
  // Real time is 190, and cleared for this hour were 138.
  expect(steps[0]!.priceUsdPerMwh).toBe(190);
  const inAnHour = steps.find(({ start }) => start === at(ONE_PM + 2 * HOUR))!;
  expect(inAnHour.priceUsdPerMwh).toBeCloseTo(139 + 52 * Math.exp(-0.5), 6);
  expect(steps.at(-1)!.priceUsdPerMwh).toBeCloseTo(100 + 61, 0);
});

test('before the market clears tomorrow is not known, whatever a file holds', () => {
  const other = ahead((i) => (i < 48 ? 100 + i : 9_000));
  expect(forecastWith(other, ONE_PM)).toEqual(forecastWith(ahead(), ONE_PM));
  const midnight = at(24 * HOUR + 29 * HOUR);
  const [today, tomorrow] = [true, false].map((isToday) =>
    forecastWith(ahead(), ONE_PM).filter(({ start }) => start < midnight === isToday),
  );
  expect(today!.every(({ priceUsdPerMwh, known }) => known || priceUsdPerMwh > 125)).toBe(true);
  // By the profile of the days seen: from nothing at midnight UTC to 230.
  expect(tomorrow!.find(({ start }) => start === at(57 * HOUR))!.priceUsdPerMwh).toBeCloseTo(90, 0);
  const dear = forecastWith(other, ONE_PM + HOUR).at(-1)!;
  expect(dear.priceUsdPerMwh).toBeCloseTo(9_000, 0);
});

test('days of scarcity say nothing of the weeks after them', () => {
  const usual = (i: number): number => 20 + (Math.floor(i / 4) % 24);
  const days = (scarce: boolean): Series =>
    prices(Array.from({ length: 28 * 96 }, (_, i) => (scarce && i >= 8 * 96 && i < 13 * 96 ? 9_000 : usual(i))));
  const steps = (scarce: boolean) => buildForecast([days(scarce), ...REST], at(28 * DAY - QUARTER)).forecast!.steps;
  const calm = steps(false);
  for (const [i, { priceUsdPerMwh }] of steps(true).entries())
    expect(Math.abs(priceUsdPerMwh - calm[i]!.priceUsdPerMwh)).toBeLessThan(1);
});
