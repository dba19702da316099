import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settle } from '../books/tariff.ts';
import { convertResult } from '../model/convert-api.ts';
import { HOUR, MINUTE, siteMs, siteSchema, type Interval, type Series, type Site } from '../model/index.ts';
import { parse } from 'yaml';
import { DEFAULTS, ASSUMPTION_KEYS, type Assumption, type AssumptionKey } from './defaults.ts';
import { cashUsd, ebitdaUsd, simulate, type Action } from './flows.ts';
import { hallMonths, mineMonth } from './mining.ts';
import { npvUsd, sum } from './finance.ts';
import { fleetOf, hallCases, type HallCase } from './hall.ts';
import { GPU_PARTS, NEW_ASICS } from './hardware.ts';
import { needOfCloud, needOfColocation, retrofit } from './limits.ts';
import { measuredOf } from './measured.ts';
import { optionsOf, value } from './options.ts';
import { createPowerTables, intervalsBelow, marginalCooling } from './power.ts';
import { publishedCases } from './published.ts';
import { createReplay, flatReplay, type Replay } from './replay.ts';
import { reportHtml } from './report.ts';
import { runStudy } from './run.ts';
import { studySchema, type Values } from './study.ts';
import { createWorld, type World } from './world.ts';

const DEMO = siteSchema.parse(
  parse(readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'demo-40mw', 'site.yaml'), 'utf8'), {
    merge: true,
  }),
);
const defaults = Object.fromEntries(ASSUMPTION_KEYS.map((key) => [key, DEFAULTS[key].value])) as Record<
  AssumptionKey,
  number
>;
const flat = { hashpriceDriftPctPerYear: 0, halvingFactor: 1, powerDriftPctPerYear: 0, gpuRentDriftPctPerYear: 0 };

/** A year of hours whose price swings through the day and is below nothing and very high now and then. */
const START = Date.parse('2025-01-01T00:00:00Z');
const priceAt = (h: number): number => (h % 97 === 0 ? 900 : h % 53 === 0 ? -20 : 20 + 25 * Math.sin(h / 3.8));
const year: Series = {
  name: 'priceUsdPerMwh',
  provenance: 'measured',
  source: 'made for a test',
  intervalMs: HOUR,
  holdsMs: HOUR,
  points: Array.from({ length: 365 * 24 }, (_, h) => ({ start: siteMs(START + h * HOUR), value: priceAt(h) })),
};

const YEAR = createReplay({ price: year }, 18);

function worldOf(
  over: Partial<Values> = {},
  {
    replay = YEAR,
    tariff = DEMO.tariff,
    months = 60,
  }: { replay?: Replay; tariff?: Site['tariff']; months?: number } = {},
): World {
  const facts = {
    replay,
    tariff,
    lossFraction: 0.01,
    keptFraction: 0.988,
    start: { year: 2026, month: 0 },
    months,
    partsToday: new Map(),
  };
  return createWorld(facts, { ...defaults, ...over });
}
const hallOf = (id: string, over: Partial<HallCase> = {}): HallCase => ({
  ...hallCases(DEMO, {}).find((hall) => hall.id === id)!,
  ...over,
});
const study = studySchema.parse({});
const inputs = (over: Partial<Values> = {}) => ({
  values: { ...defaults, ...over },
  parts: GPU_PARTS,
  asics: NEW_ASICS,
});
const actionOf = (hall: HallCase, id: string, over: Partial<Values> = {}): Action =>
  optionsOf(hall, inputs(over), study, 26).find((option) => option.id === id)!.action;

describe('published deals come out of the code of a study', () => {
  test.each(publishedCases())(
    '$name',
    ({ publishedUsdPerMwYear, modelUsdPerMwYear, publishedUsdPerMwh, modelUsdPerMwh }) => {
      // Published figures have two or three digits.
      expect(Math.abs(modelUsdPerMwYear / publishedUsdPerMwYear - 1)).toBeLessThan(0.004);
      if (publishedUsdPerMwh !== null) expect(Math.abs(modelUsdPerMwh / publishedUsdPerMwh - 1)).toBeLessThan(0.004);
    },
  );
});

describe('mining in the replay', () => {
  const fleet = fleetOf(
    {
      sleepW: 25,
      points: [
        { profile: 'a', powerW: 2000, hashrateThs: 80 },
        { profile: 'b', powerW: 3000, hashrateThs: 104 },
      ],
    },
    1000,
  );
  const curve = [
    { wetBulbC: 10, marginalW: 0.05 },
    { wetBulbC: 26, marginalW: 0.12 },
  ];

  test('equals choosing the best mode in each interval, one by one', () => {
    const replay = createReplay({ price: year }, 18);
    const world = worldOf({ ...flat, miningUptimePct: 100, powerPriceFactor: 1.3 }, { replay });
    for (const month of [0, 6]) {
      const bucket = replay.buckets[month]!;
      const usdPerThHour = (world.hashpriceUsdPerPhDay(month) * 0.988) / 24_000;
      let margin = 0;
      for (const [i, price] of bucket.priceUsdPerMwh.entries()) {
        const perMwh = price * 1.3 * 1.01 * (1 + marginalCooling(curve, bucket.wetBulbC[i]!));
        const modes = [
          [25, 0],
          [2000, 80],
          [3000, 104],
        ] as const;
        margin += Math.max(...modes.map(([watts, ths]) => (ths * usdPerThHour - (watts / 1e6) * perMwh) * 1000));
      }
      const { revenueUsd, energyUsd } = mineMonth(world, fleet, curve, month);
      expect(revenueUsd - energyUsd).toBeCloseTo(margin, 4);
    }
  });

  test('the block is settled as the books settle it', () => {
    const hall = hallOf('a', { fleet, blockMw: 3, baseMw: 0.1 });
    const world = worldOf({ ...flat, miningUptimePct: 100 }, { months: 12 });
    const facts = hallMonths(world, hall, 26);
    const flow = simulate(world, facts, { kind: 'keep' });
    const table = world.table(hall.curve, 0);
    const multiplier = 1.01 * (1 + marginalCooling(hall.curve, 18));
    const usdPerThHour = (world.hashpriceUsdPerPhDay(0) * 0.988) / 24_000;
    let books = 0;
    for (const price of world.bucket(0).priceUsdPerMwh) {
      let itMw = fleet.sleepMw;
      for (const one of fleet.tranches)
        if (one.hashrateThs * usdPerThHour > one.itMw * price * multiplier) itMw += one.itMw;
      const importWh = (itMw * multiplier + 0.1 * 1.01) * 1e6;
      const { energyCost, gridRevenue } = settle({ blockW: 3e6, blockUsdPerMwh: 38 }, importWh, 1, price);
      books += (gridRevenue - energyCost) / 1e6;
    }
    expect(table.hours).toBe(31 * 24);
    expect(flow.blockUsd[0]! - flow.energyUsd[0]!).toBeCloseTo(books, 2);
  });

  test('property: the sorted table tells what a load costs that runs below a value', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -100, max: 500, noNaN: true }), { minLength: 1, maxLength: 60 }),
        fc.double({ min: -150, max: 600, noNaN: true }),
        (prices, worth) => {
          const one = {
            ...flatReplay(0).buckets[0]!,
            hours: prices.length,
            priceUsdPerMwh: Float64Array.from(prices),
            wetBulbC: Float64Array.from(prices, (_, i) => i % 30),
          };
          const table = createPowerTables({ kind: 'real-time', adderUsdPerMwh: 5 }, 0.02).of(curve, one);
          const n = intervalsBelow(table, worth);
          const costs = prices.map((price, i) => (price + 5) * 1.02 * (1 + marginalCooling(curve, i % 30)));
          const below = costs.filter((cost) => cost < worth);
          expect(table.sumHours[n]).toBe(below.length);
          expect(table.sumUsd[n]).toBeCloseTo(sum(below), 6);
        },
      ),
    );
  });
});

describe('money is neither made nor lost in the telling', () => {
  const world = worldOf({}, { months: 72 });
  const hall = hallOf('c', { space: { racks: 100, kwPerRack: 60 }, suitableSharePct: 80 });
  const facts = hallMonths(world, hall, 26);
  test.each(['keep', 'refit:antminer-s21-xp', 'colocation', 'cloud:h100', 'power-down'])('%s', (id) => {
    const flow = simulate(world, facts, actionOf(hall, id), 6);
    const lines = sum(flow.miningUsd) + sum(flow.aiUsd) + sum(flow.blockUsd) - sum(flow.energyUsd) - sum(flow.opexUsd);
    expect(sum(ebitdaUsd(flow))).toBeCloseTo(lines, 4);
    expect(sum(cashUsd(flow))).toBeCloseTo(lines - sum(flow.capexUsd) + sum(flow.salvageUsd), 4);
    const { shellUsd, hardwareUsd, coolingUsd, uplinkUsd } = flow.parts;
    expect(sum(flow.capexUsd)).toBeGreaterThanOrEqual(shellUsd + hardwareUsd + coolingUsd + uplinkUsd - 1e-6);
    const before = cashUsd(simulate(world, facts, { kind: 'keep' })).slice(0, 6);
    cashUsd(flow)
      .slice(0, 6)
      .forEach((cash, m) => expect(cash).toBeCloseTo(before[m]!, 6));
  });
});

describe('direction', () => {
  const npv = (id: string, over: Partial<Values>, months = 84): number => {
    const hall = hallOf('c', { space: { racks: 100, kwPerRack: 60 }, suitableSharePct: 100 });
    const world = worldOf(over, { months });
    const facts = hallMonths(world, hall, 26);
    return npvUsd(cashUsd(simulate(world, facts, actionOf(hall, id, over))), 0.1);
  };
  const rising: readonly [string, AssumptionKey, number, number][] = [
    ['colocation', 'coloRentUsdPerKwMonth', 20, 300],
    ['colocation', 'coloOccupancyPct', 0, 100],
    ['cloud:h100', 'gpuRentFactor', 0.1, 3],
    ['cloud:h100', 'gpuUtilisationPct', 5, 100],
    ['keep', 'hashpriceUsdPerPhDay', 10, 200],
    ['keep', 'halvingFactor', 0.3, 1],
  ];
  test.each(rising)('property: %s never falls when %s rises', (id, key, low, high) => {
    const between = fc.double({ min: low, max: high, noNaN: true });
    fc.assert(
      fc.property(between, between, (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        expect(npv(id, { [key]: more })).toBeGreaterThanOrEqual(npv(id, { [key]: less }) - 1e-3);
      }),
      { numRuns: 12 },
    );
  });
  const falling: readonly [string, AssumptionKey][] = [
    ['colocation', 'coloShellUsdPerMw'],
    ['colocation', 'coloMonths'],
    ['colocation', 'coloRampMonths'],
    ['cloud:h100', 'gpuPriceFactor'],
    ['keep', 'miningOpexUsdPerMwYear'],
  ];
  test.each(falling)('%s is worth less at the high end of %s', (id, key) => {
    const { low, high }: Assumption = DEFAULTS[key];
    // Ballast earns in the ramp too: what a slow ramp costs is seen where mining earns nothing.
    const poor = key === 'coloRampMonths' ? { hashpriceUsdPerPhDay: 1 } : {};
    expect(npv(id, { ...poor, [key]: high })).toBeLessThan(npv(id, { ...poor, [key]: low }));
  });
  test('mining as ballast earns while the AI part fills', () => {
    const slow = { coloRampMonths: 18, hashpriceUsdPerPhDay: 80 };
    expect(npv('colocation', { ...slow, ballastSharePct: 100 })).toBeGreaterThan(
      npv('colocation', { ...slow, ballastSharePct: 0 }),
    );
  });
});

describe('limits of the retrofit', () => {
  const values: Values = { ...defaults, suitableSharePct: 100 };
  const h100 = GPU_PARTS.find(({ id }) => id === 'h100')!;
  test('racks that give too little power host nothing, and say why', () => {
    const hall = hallOf('b', { space: { racks: 100, kwPerRack: 20 } });
    const fit = retrofit(hall, needOfColocation(values), values, 26, true);
    expect(fit).toMatchObject({ aiItMw: 0, binding: 'density' });
    const option = optionsOf(hall, inputs(), study, 26).find(({ id }) => id === 'colocation')!;
    expect(option).toMatchObject({ feasible: false, reasons: ['density: 20 kW a rack, 40 wanted'] });
  });
  test('whole servers in whole racks', () => {
    const hall = hallOf('b', { space: { racks: 10, kwPerRack: 20 } });
    const fit = retrofit(hall, needOfCloud(h100, values), values, 26, true);
    // 8 x 700 W + 2,600 W = 8.2 kW: two in a rack of 20 kW.
    expect(fit.aiItMw).toBeCloseTo(10 * 2 * 8.2e-3, 9);
    expect(fit.binding).toBe('density');
  });
  test('uplinks limit where none are bought, and cost where they are', () => {
    const hall = hallOf('d', { space: { racks: 500, kwPerRack: 60 }, uplinkGbps: 20 });
    const limited = retrofit(hall, needOfColocation(values), values, 26, false);
    expect(limited).toMatchObject({ aiItMw: 2, binding: 'uplink', uplinkUsd: 0 });
    const bought = retrofit(hall, needOfColocation(values), values, 26, true);
    expect(bought.aiItMw).toBeGreaterThan(8);
    expect(bought.uplinkUsd).toBeCloseTo((bought.aiItMw * 10 - 20) * values.uplinkUsdPerGbps, 3);
  });
  test('AI takes its cooling from the hall: it and what mines beside it stay within the breaker', () => {
    const hall = hallOf('d', { suitableSharePct: 60 });
    const over = { suitableSharePct: 60, miningDuringConversionPct: 100 };
    const world = worldOf(over);
    const facts = hallMonths(world, hall, 26.8);
    for (const id of ['colocation', 'cloud:h100']) {
      const flow = simulate(world, facts, actionOf(hall, id, over));
      flow.firmMw.forEach((firm, m) =>
        expect((firm + flow.miningMw[m]!) / 1.01).toBeLessThanOrEqual(hall.usableMw + 1e-6),
      );
    }
  });
});

describe('books beside the model', () => {
  const interval = (over: Partial<Interval>): Interval => ({
    start: siteMs(0),
    durationMs: 15 * MINUTE,
    importWh: 1,
    coverage: 1,
    priceUsdPerMwh: 1,
    lines: [],
    unattributedWh: 0,
    energyCost: 0,
    leaseCost: 0,
    planImportWh: 0,
    wakes: 0,
    ...over,
  });
  const line = (energyWh: number | undefined, usd: number | undefined) => ({
    line: 'mining' as const,
    energyWh,
    revenue: usd === undefined ? undefined : usd * 1e6,
    quantity: undefined,
    quantityUnit: 'PHh' as const,
    penalty: 0,
  });
  test('what is not known is null and not nothing', () => {
    const none = measuredOf([], new Map());
    expect(none).toMatchObject({
      from: null,
      coveragePct: null,
      lines: [{ usdPerMwh: null, energyMwh: null }, { usdPerMwh: null }, { usdPerMwh: null }],
    });
  });
  test('only intervals count in which both money and energy are known', () => {
    const told = measuredOf(
      [
        interval({ lines: [line(2e6, 100)] }),
        interval({ start: siteMs(15 * MINUTE), coverage: 0.5, lines: [line(undefined, 900)] }),
      ],
      new Map([['mining', 60]]),
    );
    expect(told).toMatchObject({
      intervals: 2,
      coveragePct: 75,
      lines: [{ line: 'mining', usdPerMwh: 50, energyMwh: 2, coveragePct: 50, modelUsdPerMwh: 60 }, {}, {}],
    });
  });
});

describe('a whole study', () => {
  const run = (over: unknown = {}) => runStudy({ site: DEMO, series: [year], study: studySchema.parse(over) });
  const result = run({
    years: 8,
    start: '2026-05-17',
    halls: { c: { suitableSharePct: 100, space: { racks: 100, kwPerRack: 60 } } },
    plan: { capexBudgetUsd: 30e6 },
  });
  test('has the shape it promises', () => expect(convertResult.strict().safeParse(result).error).toBeUndefined());
  test('a year of an option is the sum of its months, and all years make its present value', () => {
    for (const option of result.halls.flatMap(({ options }) => options.filter(({ feasible }) => feasible))) {
      const months = option.years.flatMap(({ monthsCashUsd }) => monthsCashUsd);
      expect(months).toHaveLength(96);
      for (const one of option.years) {
        expect(sum(one.monthsCashUsd)).toBeCloseTo(one.cashUsd, 3);
        expect(
          one.miningUsd + one.aiUsd + one.blockUsd - one.energyUsd - one.opexUsd - one.capexUsd + one.salvageUsd,
        ).toBeCloseTo(one.cashUsd, 3);
      }
      expect(npvUsd(months, result.study.discountPct / 100)).toBeCloseTo(option.npvUsd, 2);
    }
  });
  test('ranks halls that mine by their gain, and keeps within the budget', () => {
    expect(result.ranking.map(({ hallId }) => hallId).toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(result.ranking.map(({ gainUsd }) => gainUsd)).toEqual(
      result.ranking.map(({ gainUsd }) => gainUsd).toSorted((a, b) => b - a),
    );
    expect(result.plan.status).toBe('optimal');
    expect(result.plan.capexUsd).toBeLessThanOrEqual(30e6);
    expect(result.plan.gainUsd).toBeGreaterThanOrEqual(0);
    for (const { firmMw, miningMw } of result.plan.years)
      expect(firmMw + miningMw).toBeLessThanOrEqual(result.plan.connectionMw + 1e-6);
    expect(result.study.start).toBe('2026-05-01');
  });
  test('at a break-even AI and mining are worth the same', () => {
    const { hallId, optionId } = result.ranking[0]!;
    const curve = result.breakEven.find((one) => one.hallId === hallId && one.input === 'hashprice');
    for (const hashpriceUsdPerPhDay of curve?.crossings ?? []) {
      const again = run({
        years: 8,
        start: '2026-05-17',
        assumptions: { hashpriceUsdPerPhDay },
        halls: { c: { suitableSharePct: 100, space: { racks: 100, kwPerRack: 60 } } },
      });
      const option = again.halls.find(({ id }) => id === hallId)!.options.find(({ id }) => id === optionId)!;
      expect(Math.abs(option.versusKeep.npvUsd)).toBeLessThan(1e-3 * Math.abs(result.ranking[0]!.gainUsd) + 200);
    }
  });
  test('what an assumption at its low does is what a study with it says', () => {
    const bars = result.tornado[0]!;
    for (const { key, low, atLowUsd } of bars.bars.slice(0, 3)) {
      const again = run({
        years: 8,
        start: '2026-05-17',
        assumptions: { [key]: low },
        halls: { c: { suitableSharePct: 100, space: { racks: 100, kwPerRack: 60 } } },
      });
      const option = again.halls.find(({ id }) => id === bars.hallId)!.options.find(({ id }) => id === bars.optionId)!;
      expect(option.versusKeep.npvUsd).toBeCloseTo(atLowUsd, 0);
    }
  });
  test('a study told to do only some things does no others', () => {
    const few = run({ years: 5, options: ['colocation'], halls: { a: { options: ['keep'] } } });
    expect(few.halls.find(({ id }) => id === 'a')!.options.map(({ id }) => id)).toEqual(['keep']);
    expect(few.halls.find(({ id }) => id === 'b')!.options.map(({ id }) => id)).toEqual(['keep', 'colocation']);
    expect(() => run({ halls: { zz: {} } })).toThrow('zz');
  });
  test('an option that starts later than the years are long is not valued', () => {
    const world = worldOf({}, { months: 24 });
    const hall = hallOf('c');
    const option = optionsOf(hall, inputs(), study, 26).find(({ id }) => id === 'colocation')!;
    expect(value(world, hallMonths(world, hall, 26), option, 12)).toBeUndefined();
    expect(value(world, hallMonths(world, hall, 26), option, 6)).toBeDefined();
  });
  test('the report is one file without scripts, and text in it is text', () => {
    const html = reportHtml({ ...result, study: { ...result.study, site: 'A <script>alert(1)</script> & B' } });
    expect(html).not.toMatch(/<script|<link|src=|href=|url\(|NaN|undefined|Infinity/);
    expect(html).toContain('A &lt;script&gt;');
    for (const { source } of result.assumptions.slice(0, 5))
      expect(html).toContain(source.slice(0, 20).replaceAll('&', '&amp;'));
  });
  test('every assumption has a source, a unit and a range around its value', () => {
    for (const one of result.assumptions) {
      expect(one.source.length, one.key).toBeGreaterThan(10);
      expect(one.unit.length, one.key).toBeGreaterThan(0);
      expect(one.low <= one.value && one.value <= one.high, one.key).toBe(true);
    }
    for (const { source } of result.hardware) expect(source.length).toBeGreaterThan(20);
  });
});

test('a plant in stages enters a study at its average with the hall full, and no fuller than its stages carry', () => {
  const stages = [
    {
      id: 'dry',
      heatMw: 4,
      marginal: [
        { wetBulbC: 10, marginalW: 0.05 },
        { wetBulbC: 20, marginalW: 0.1, heatPct: 0 },
      ],
    },
    { id: 'chillers', heatMw: 4, marginal: [{ wetBulbC: 10, marginalW: 0.3 }] },
  ];
  const halls = DEMO.halls.map(({ cooling, ...hall }) =>
    hall.id === 'e' ? { ...hall, cooling: { kind: 'chilled', baseKw: 100, stages } } : { ...hall, cooling },
  );
  const hall = hallCases(siteSchema.parse({ ...DEMO, halls }), {}).find(({ id }) => id === 'e')!;
  // In the heat the chillers carry 4 MW of IT with 1.2 MW, and the breaker more than that.
  expect(hall.usableMw).toBeCloseTo(5.3, 9);
  // 5.2 MW are, in the cold, 4 MW of IT with 0.2 MW and 1 MW on chillers.
  const itMw = 4 + 1 / 1.3;
  expect(hall.curve).toEqual([
    { wetBulbC: 10, marginalW: expect.closeTo(5.2 / itMw - 1, 9) },
    { wetBulbC: 20, marginalW: expect.closeTo(0.3, 9) },
  ]);
  expect(hall.aiCurve).toBe(hall.curve);
});
