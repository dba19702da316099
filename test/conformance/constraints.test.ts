import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Constraint } from '../../src/dispatch/constraint.ts';
import { constraints } from '../../src/dispatch/constraints/index.ts';
import { demoForecast, demoSnapshot } from '../../src/dispatch/fixture.ts';
import { buildLp } from '../../src/dispatch/lp.ts';
import { nameTexts } from '../../src/dispatch/model-builder.ts';
import { pose } from '../../src/dispatch/problem.ts';
import { DAY, MINUTE, siteMs } from '../../src/model/index.ts';

const folder = new URL('../../src/dispatch/constraints/', import.meta.url);
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && name !== 'index.ts' && !name.endsWith('.test.ts'))
  .sort();

/** The demo site with something for each constraint to bite on. @param hasRamp where the grid allows one, no credit of an availability is weighed */
function fixture(hasRamp: boolean) {
  const snapshot = demoSnapshot();
  const [first, second, ...rest] = snapshot.cohorts;
  const cohorts = [{ ...first!, held: true }, { ...second!, pinned: { normal: 5 }, responseSeconds: 40 }, ...rest];
  const mining = {
    ...snapshot.mining,
    retuneUsdPerMachine: 0.01,
    minimumOnMs: 20 * MINUTE,
    minimumOffMs: 20 * MINUTE,
  };
  const connection = { ...snapshot.connection, rampWPerMinute: hasRamp ? 1e6 : undefined, importW: 20e6 };
  const demand = { usdPerMw: 9_000, intervalMs: 15 * MINUTE, billedW: 12e6, runningWh: 0 };
  const monthEndsAt = siteMs(snapshot.at + 20 * DAY);
  const tariff = { ...snapshot.tariff, demand: { ...demand, monthEndsAt }, coincidentUsdPerMw: 16_000 };
  const forecast = demoForecast();
  const steps = forecast.steps.map((step, t) => ({ ...step, coincidentProbability: t > 30 && t < 40 ? 0.2 : 0 }));
  const stage = { heatW: 5e6, marginal: [{ wetBulbC: 20, marginalW: 0.1 }] };
  const stages = [
    { ...stage, id: 'dry' },
    { ...stage, id: 'chillers', marginal: [{ wetBulbC: 20, marginalW: 0.3 }] },
  ];
  const halls = snapshot.halls.map(({ cooling, ...hall }) => ({
    ...hall,
    uplinkMbps: 10_000,
    cooling: hall.id === 'd' ? { baseW: cooling.baseW, stages } : cooling,
  }));
  const feeders = [{ id: 'f1', usableW: 20e6, hallIds: ['a', 'b', 'c'] }];
  const spans = [{ from: snapshot.at, until: siteMs(snapshot.at + DAY) }];
  const award = { awardedW: 5e6, usdPerMwHour: 12, shortfallUsdPerMwh: 100, responseSeconds: 600, spans };
  const awards = [
    { ...award, id: 'ecrs' },
    { ...award, id: 'fast', responseSeconds: 30 },
  ];
  const call = { id: 'ers', firmW: 8e6, penaltyUsdPerMwh: 2_000 };
  const programCalls = [{ ...call, from: siteMs(snapshot.at + 10 * MINUTE), until: siteMs(snapshot.at + DAY) }];
  const basePoint = { id: 'iso', leastW: 7e6, mostW: 7e6, from: snapshot.at, until: siteMs(snapshot.at + 60 * MINUTE) };
  const basePoints = [basePoint];
  const curtailment = { gpuHoursPerMonth: 900, leftGpuHours: 300, monthEndsAt };
  const availability = { monthEndsAt, credits: [{ usd: 900, leftGpuHours: 300, nextGpuHours: 900 }] };
  const deadline = { gpuHours: 900, by: monthEndsAt, penaltyUsdPerGpuHour: 1 };
  const point = { powerLimitW: 200, marginalW: 100, throughput: 0.7, paid: 0.7, serves: false };
  const work = snapshot.work.map((one) => {
    const full = { powerLimitW: 700, marginalW: one.marginalWPerGpu, throughput: 1, paid: 1, serves: true };
    const terms = { uplinkMbpsPerGpu: 5, curtailment, availability, deadline, preemptible: false };
    return { ...one, ...terms, points: [point, full] };
  });
  const ballast = { bandW: 0.1e6, swingFraction: 0.5, cohorts: ['c-s19k', 'd-s21xp'] };
  const lease = { id: 'pod', chips: 64, costUsdPerChipHour: 1, soldUsdPerChipHour: 0, endsAt: undefined };
  const more = { chips: 32, costUsdPerChipHour: 2, minimumMs: 60 * MINUTE, rentedChips: 4, keptUntil: undefined };
  const leases = [{ ...lease, serves: { work: work[0]!.id, gpusPerChip: 1 }, more }];
  return pose(
    {
      ...snapshot,
      leases,
      ballast,
      connection,
      tariff,
      halls,
      feeders,
      awards,
      programCalls,
      basePoints,
      work,
      cohorts,
      mining,
    },
    { ...forecast, steps },
  );
}
const size = (list: readonly Constraint[]): { rows: readonly string[]; columns: number } => {
  const { model } = buildLp(fixture(!list.some(({ name }) => name === 'availability')), list);
  return { rows: nameTexts(model.rows()), columns: model.columns().seriesOf.length };
};
const bare = size([]);

test('the index lists every constraint of the folder in file-name order', async () => {
  const modules = await Promise.all(
    files.map((name) => import(new URL(name, folder).href) as Promise<Record<string, Constraint>>),
  );
  expect(constraints).toEqual(modules.map((module) => Object.values(module)[0]));
});

test.each(files)('%s is named after its file and says what it is about', (file) => {
  const constraint = constraints[files.indexOf(file)]!;
  expect(constraint.name).toBe(file.replace(/\.ts$/, ''));
  expect(constraint.about).toMatch(/^[A-Z].{20,}\.?$/);
});

test.each(constraints)('$name adds rows of its own name where it applies', (constraint) => {
  const { rows } = size([constraint]);
  const added = rows.slice(bare.rows.length);
  expect(added.length).toBeGreaterThan(0);
  expect(added.every((name) => name.startsWith(`${constraint.name}:`))).toBe(true);
  expect(new Set(rows).size).toBe(rows.length);
});
