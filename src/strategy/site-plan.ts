import type { ConvertResult } from '../model/convert-api.ts';
import type { Site } from '../model/index.ts';
import { monthsToConvert } from './flows.ts';
import type { Judged } from './judged.ts';
import { rentedMonth, spentUsd, value, type Valued } from './options.ts';
import { bestPlan, settle, type Alternative } from './plan.ts';
import type { Study } from './study.ts';
import type { World } from './world.ts';

/** The best mixed plan of a site: which hall becomes what, and when, under budget, halls at once and the connection. */
export function planFor(
  world: World,
  judged: readonly Judged[],
  study: Study,
  site: Site,
  start: { year: number; month: number },
): ConvertResult['plan'] {
  const connectionMw = Math.min(
    site.connection.limitMw * (1 - site.connection.marginPct / 100),
    site.limits.importMw ?? Infinity,
  );
  const discountRate = world.values.discountPct / 100;
  const { capexBudgetUsd, hallsAtOnce, startEveryMonths, lastStartYear } = study.plan;
  const alternatives = judged.map(({ hall, facts, options }) =>
    options
      .filter(({ feasible }) => feasible)
      .flatMap((option): Alternative[] => {
        const last = option.id === 'keep' ? 0 : Math.min(lastStartYear * 12, world.months - 1);
        const starts = Array.from({ length: Math.floor(last / startEveryMonths) + 1 }, (_, i) => i * startEveryMonths);
        return starts.flatMap((startMonth) => {
          const one = value(world, facts, option, startMonth);
          return one === undefined ? [] : [alternative(world, hall.id, one, startMonth)];
        });
      }),
  );
  const keepAll = alternatives.map((all) => all.find(({ optionId }) => optionId === 'keep')!);
  const limits = { connectionMw, capexBudgetUsd, hallsAtOnce, discountRate };
  const found = bestPlan(alternatives, limits);
  const kept = settle(keepAll, limits);
  const keepNpvUsd =
    kept === undefined ? null : keepAll.reduce((total, { npvUsd }) => total + npvUsd, 0) - kept.lostUsd;
  const ok = found.status === 'optimal' || found.status === 'best found';
  const steps = found.chosen.filter(({ optionId }) => optionId !== 'keep').sort((a, b) => a.startMonth - b.startMonth);
  const label = (one: Alternative) =>
    judged.find(({ hall }) => hall.id === one.hallId)!.options.find(({ id }) => id === one.optionId)!;
  return {
    status: found.status,
    method: `Branch and bound over halls, options and months of start; ${found.looked.toLocaleString('en-US')} choices looked at${found.status.endsWith('found') ? ', stopped before it was through' : ''}`,
    capexBudgetUsd: capexBudgetUsd ?? null,
    hallsAtOnce,
    connectionMw,
    npvUsd: ok ? found.npvUsd : null,
    keepNpvUsd,
    gainUsd: ok && keepNpvUsd !== null ? found.npvUsd - keepNpvUsd : null,
    boundGainUsd: ok && keepNpvUsd !== null ? found.boundUsd - keepNpvUsd : null,
    capexUsd: ok ? steps.reduce((total, { capexUsd }) => total + capexUsd, 0) : null,
    steps: steps.map((one) => {
      const month = start.month + one.startMonth;
      return {
        hallId: one.hallId,
        optionId: one.optionId,
        label: label(one).label,
        startMonth: one.startMonth,
        doneMonth: one.doneMonth,
        rentedMonth: rentedMonth(label(one).action, world, one.startMonth),
        start: `${start.year + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}-01`,
        capexUsd: one.capexUsd,
        gainUsd: one.npvUsd - keepAll.find(({ hallId }) => hallId === one.hallId)!.npvUsd,
      };
    }),
    years: ok ? planYears(world, found.chosen, found.curtailedMw) : [],
  };
}

interface Chosen extends Alternative {
  readonly cash: readonly number[];
}

function alternative(world: World, hallId: string, { option, flow, npvUsd, cash }: Valued, startMonth: number): Chosen {
  return {
    hallId,
    optionId: option.id,
    startMonth,
    doneMonth: startMonth + monthsToConvert(option.action, world),
    capexUsd: spentUsd(flow),
    npvUsd,
    firmMw: flow.firmMw,
    miningMw: flow.miningMw,
    miningMarginUsd: flow.miningMarginUsd,
    cash,
  };
}

function planYears(
  world: World,
  chosen: readonly Alternative[],
  curtailedMw: readonly number[],
): ConvertResult['plan']['years'] {
  return Array.from({ length: Math.ceil(world.months / 12) }, (_, year) => {
    const months = Array.from({ length: 12 }, (_, m) => year * 12 + m).filter((m) => m < world.months);
    const mean = (at: (m: number) => number) => months.reduce((total, m) => total + at(m), 0) / months.length;
    const all = (of: (one: Alternative) => readonly number[], m: number) =>
      chosen.reduce((total, one) => total + of(one)[m]!, 0);
    return {
      year: year + 1,
      firmMw: mean((m) => all(({ firmMw }) => firmMw, m)),
      miningMw: mean((m) => all(({ miningMw }) => miningMw, m) - curtailedMw[m]!),
      curtailedMw: mean((m) => curtailedMw[m]!),
      cashUsd: months.reduce((total, m) => total + all((one) => (one as Chosen).cash, m), 0),
    };
  });
}
