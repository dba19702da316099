import { describe, expect, test } from 'vitest';
import type { Demand, Stretch } from '../../control/grid/law.ts';
import { demoSnapshot } from '../../dispatch/fixture.ts';
import { HOUR, siteMs } from '../../model/index.ts';
import { ORDER_USD_PER_MWH } from '../orders/orders.ts';
import { withGrid } from './facts.ts';

const snapshot = demoSnapshot();
const from = snapshot.at;
const until = siteMs(from + HOUR);
const demand = (kind: Demand['kind'], least: number, most: number): Demand => ({
  kind,
  importW: { least, most },
  from,
  until,
  sourceId: 'iso',
  eventId: 'e',
  priority: 1,
});
const stretch = (...by: readonly Demand[]): Stretch => ({ importW: by.at(-1)!.importW, by, from, until });

describe('what the planner is told', () => {
  test('nothing where nothing is demanded: the same snapshot', () => {
    expect(withGrid(snapshot, [], 5e5)).toBe(snapshot);
  });

  test('a limit is a call for which nothing pays, aimed at from below', () => {
    const calls = (biasW: number) => withGrid(snapshot, [stretch(demand('cap', 0, 20e6))], biasW).programCalls;
    const call = { id: 'iso e#0', penaltyUsdPerMwh: ORDER_USD_PER_MWH, from, until };
    expect(calls(0)).toEqual([...(snapshot.programCalls ?? []), { ...call, firmW: 20e6 }]);
    expect(calls(3e5)!.at(-1)).toEqual({ ...call, firmW: 19.7e6 });
    expect(calls(-3e5)!.at(-1)).toEqual({ ...call, firmW: 20e6 });
  });

  test('a set point is followed both ways, and machines may sleep and wake for it', () => {
    const facts = withGrid(snapshot, [stretch(demand('set-point', 20e6, 20e6))], -3e5);
    expect(facts.basePoints).toEqual([{ id: 'iso e#0', leastW: 20.3e6, mostW: 20.3e6, from, until }]);
    expect(facts.programCalls).toEqual(snapshot.programCalls ?? []);
    expect(facts.cohorts.filter(({ held }) => !held).every(({ pinned }) => Object.keys(pinned).length === 0)).toBe(
      true,
    );
    expect(facts.mining.retuneUsdPerMachine).toBeGreaterThan(snapshot.mining.retuneUsdPerMachine);
  });

  test('where a limit meets a set point, what is trimmed for the one does not lift the other', () => {
    const both = stretch(demand('cap', 0, 18e6), demand('set-point', 18e6, 18e6));
    expect(withGrid(snapshot, [both], -3e5).basePoints).toMatchObject([{ leastW: 18e6, mostW: 18e6 }]);
  });

  test('a held cohort keeps what it has', () => {
    const cohorts = snapshot.cohorts.map((one) => ({ ...one, held: true, pinned: { default: 1 } }));
    const facts = withGrid({ ...snapshot, cohorts }, [stretch(demand('cap', 0, 1e6))], 0);
    expect(facts.cohorts).toEqual(cohorts);
  });
});
