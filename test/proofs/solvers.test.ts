import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadHighs } from '../../src/dispatch/highs.ts';
import { buildLp } from '../../src/dispatch/lp.ts';
import { solve } from '../../src/dispatch/plan.ts';
import { pose } from '../../src/dispatch/problem.ts';
import { withBinaries } from '../../src/dispatch/tight-cooling.ts';
import { toFreeMps } from '../support/mps.ts';
import { type AnySite, anySite, forecastOfSite, snapshotOf } from '../support/random-site.ts';

/** The same linear programs before solvers that share no code with ours: all must earn the same. */
const GLPSOL = process.env['GLPSOL_PATH'];
const CBC = process.env['CBC_PATH'];
const SITES = 72;
const run = promisify(execFile);
const highs = await loadHighs();

interface Case {
  readonly site: AnySite;
  readonly mps: string;
  readonly objectiveUsd: number;
  readonly offsetUsd: number;
  /** Whether the program without binaries would buy cooling that nobody runs, or owe a part of a credit. */
  readonly isLoose: boolean;
}

/** The same sites with room behind every breaker, paid to draw power: there the dear stages of a plant would fill first. */
const paidToDraw = (site: AnySite): AnySite => ({
  ...site,
  usableW: 20_000_000,
  feederW: undefined,
  halls: [
    { ...site.halls[0], usableW: 10_000_000 },
    { ...site.halls[1], usableW: 10_000_000 },
  ],
  steps: site.steps.map((step, t) => ({ ...step, priceUsdPerMwh: -5 - 20 * t })),
});

const drawn = fc.sample(anySite, { seed: 20_260_323, numRuns: SITES });
const staged = drawn.filter(({ halls }) => halls.some(({ stages = [] }) => stages.length > 1));
const cases = [...drawn, ...staged.map(paidToDraw)].map((site): Case => {
  const program = buildLp(pose(snapshotOf(site), forecastOfSite(site)));
  const { model, offsetUsd, staged, binaries } = program;
  const { objectiveUsd } = solve(highs, program, {});
  const data = model.data(highs, offsetUsd);
  // Ours gives binaries to some curves of cooling only; theirs has to come to the same with all of them.
  const hasWhole = staged.length > 0 || binaries.length > 0;
  const mps = toFreeMps(hasWhole ? withBinaries(highs, data, staged, binaries) : data);
  const isLoose = solve(highs, { model, offsetUsd }, {}).objectiveUsd > objectiveUsd + 1e-3;
  return { site, mps, objectiveUsd, offsetUsd, isLoose };
});

test('the sites hold something of every kind', () => {
  const having = (what: (site: AnySite) => boolean): number => cases.filter(({ site }) => what(site)).length;
  const counts = {
    demand: having(({ demand }) => (demand?.usdPerMw ?? 0) > 0),
    coincident: having((s) => s.coincidentUsdPerMw !== undefined && s.steps.some((t) => t.coincidentProbability > 0)),
    award: having((s) => s.awards.length > 0 && s.cohorts.some(({ responseSeconds }) => responseSeconds !== undefined)),
    call: having(({ calls }) =>
      calls.some(({ fromMinutes, minutes }) => fromMinutes <= 0 && fromMinutes + minutes > 0),
    ),
    generation: having(({ generation }) => generation.some(({ capacityW }) => capacityW > 0)),
    feedIn: having((s) => s.exportLimitW !== undefined && s.generation.length > 0),
    feeder: having(({ feederW }) => feederW !== undefined),
    ramp: having(({ rampWPerMinute }) => rampWPerMinute !== undefined),
    minimumOn: having(({ minimumOnMinutes, steps }) => minimumOnMinutes > 5 && steps.length > 1),
    minimumOff: having(({ minimumOffMinutes, steps }) => minimumOffMinutes > 5 && steps.length > 1),
    wake: having(({ wakeUsdPerMachine }) => wakeUsdPerMachine > 0),
    retune: having(({ retuneUsdPerMachine }) => retuneUsdPerMachine > 0),
    reserved: having(({ work }) => work.some(({ committedGpus }) => committedGpus > 0)),
    curtailment: having(({ work }) => work.some((w) => w.committedGpus > 0 && (w.curtailment?.leftGpuHours ?? 0) > 0)),
    availability: having(({ work }) => work.some((w) => w.committedGpus > 0 && w.availability !== undefined)),
    nonPreemptible: having(({ work }) => work.some((w) => !w.preemptible && w.runningGpus > 0)),
    deadline: having(({ work }) => work.some((w) => (w.deadline?.gpuHours ?? 0) > 0)),
    limits: having(({ work }) => work.some(({ limits }) => limits !== 'unmeasured')),
    ballast: having(({ ballast, work }) => ballast !== undefined && work.length > 0),
    uplink: having(({ halls, work }) =>
      work.some((w) => w.uplinkMbpsPerGpu > 0 && halls[w.hall === 'a' ? 0 : 1].uplinkMbps !== undefined),
    ),
    cooling: having(({ halls }) => halls.some(({ coolingPerW }) => coolingPerW > 0)),
    stages: having(({ halls }) => halls.some(({ stages }) => (stages?.length ?? 0) > 1)),
    onlyWhole: cases.filter(({ isLoose }) => isLoose).length,
    held: having(({ cohorts }) => cohorts.some(({ held }) => held)),
  };
  expect(cases.length).toBeGreaterThanOrEqual(60);
  expect(Object.entries(counts).filter(([, n]) => n < 8)).toEqual([]);
});

/** Solves every case by a solver that minimises, and says where its $ are not ours. */
async function compare(
  minimum: (modelFile: string, answerFile: string, of: Case) => Promise<number>,
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-solvers-'));
  const wrong: string[] = [];
  try {
    for (const [n, one] of cases.entries()) {
      const { mps, objectiveUsd, offsetUsd } = one;
      const model = join(folder, `${n}.mps`);
      await writeFile(model, mps);
      const theirs = offsetUsd - (await minimum(model, join(folder, `${n}.txt`), one));
      // An answer that cannot be read is not a number, and no match either.
      const isSame = Math.abs(theirs - objectiveUsd) <= 1e-6 * Math.max(1, Math.abs(objectiveUsd));
      if (!isSame) wrong.push(`site ${n}: $${theirs} by them, $${objectiveUsd} by HiGHS`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return wrong;
}

describe.skipIf(GLPSOL === undefined)('GLPK (left out where GLPSOL_PATH is not set)', () => {
  test('earns the same at every site', { timeout: 120_000 }, async () => {
    const wrong = await compare(async (model, answer, { isLoose }) => {
      // "s bas ROWS COLUMNS PRIMAL DUAL OBJECTIVE", both statuses f where the solution is optimal; of whole numbers
      // "s mip ROWS COLUMNS o OBJECTIVE".
      const answerOf = async (...options: string[]): Promise<number> => {
        await run(GLPSOL!, ['--freemps', model, '--min', ...options, '-w', answer]);
        const found = /^s (?:bas \d+ \d+ f f|mip \d+ \d+ o) (\S+)$/m.exec(await readFile(answer, 'utf8'));
        return Number(found?.[1] ?? Number.NaN);
      };
      // What is best in parts and can be had whole is best, too: its search among whole numbers is the weaker part of it.
      return isLoose ? answerOf() : answerOf('--nomip');
    });
    expect(wrong).toEqual([]);
  });
});

describe.skipIf(CBC === undefined)('CBC (left out where CBC_PATH is not set)', () => {
  test('earns the same at every site', { timeout: 120_000 }, async () => {
    const wrong = await compare(async (model, answer) => {
      await run(CBC!, [model, 'solve', 'solution', answer]);
      const found = /^Optimal - objective value (\S+)/.exec(await readFile(answer, 'utf8'));
      return Number(found?.[1] ?? Number.NaN);
    });
    expect(wrong).toEqual([]);
  });
});
