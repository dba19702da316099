import { cashUsd, ebitdaUsd, monthsToConvert, simulate, type Action, type Flow } from './flows.ts';
import { displaced, type HallMonths } from './mining.ts';
import { irr, loanFlowsUsd, npvUsd, paybackMonths, sum } from './finance.ts';
import { needOfCloud, needOfColocation, retrofit, type Limit, type Retrofit } from './limits.ts';
import type { ConvertOption } from '../model/convert-api.ts';
import type { HallCase } from './hall.ts';
import type { Inputs, Study } from './study.ts';
import type { World } from './world.ts';

/** An action with its name, and what speaks against it. */
export interface Option {
  readonly id: string;
  readonly label: string;
  readonly action: Action;
  readonly feasible: boolean;
  readonly reasons: readonly string[];
}

/** Below this an AI part is not worth a project, MW of IT. */
const LEAST_AI_MW = 0.1;

/** Everything that may be done with a hall, what cannot be done included, with the reason. */
export function optionsOf(hall: HallCase, inputs: Inputs, study: Study, hotWetBulbC: number): Option[] {
  const wanted = new Set(study.options.filter((kind) => hall.options?.includes(kind) ?? true));
  const { values } = inputs;
  const options: Option[] = [
    { id: 'keep', label: keepLabel(hall), action: { kind: 'keep' }, feasible: true, reasons: [] },
  ];
  const mines = hall.fleet.machines > 0;
  if (wanted.has('refit') && (mines || hall.gpusToday.length === 0))
    for (const asic of inputs.asics) {
      if (asic.cooling !== hall.cooling) continue;
      options.push({
        id: `refit:${asic.id}`,
        label: `Refit with ${asic.name}`,
        action: { kind: 'refit', asic },
        feasible: true,
        reasons: [],
      });
    }
  if (mines || hall.gpusToday.length === 0) {
    const fits = (need: Parameters<typeof retrofit>[1]) => retrofit(hall, need, values, hotWetBulbC, study.buyUplinks);
    if (wanted.has('colocation')) {
      const fit = fits(needOfColocation(values));
      options.push({
        id: 'colocation',
        label: 'AI colocation',
        action: { kind: 'colocation', retrofit: fit },
        ...verdict(fit, []),
      });
    }
    if (wanted.has('cloud'))
      for (const part of inputs.parts) {
        const fit = fits(needOfCloud(part, values));
        const action: Action = { kind: 'cloud', part, retrofit: fit };
        options.push({
          id: `cloud:${part.id}`,
          label: `GPU cloud, ${part.name}`,
          action,
          ...verdict(fit, part.caveat === undefined ? [] : [part.caveat]),
        });
      }
  }
  if (wanted.has('power-down')) {
    const reasons = hall.gpusToday.length > 0 ? ['resale of the GPU servers is not counted'] : [];
    options.push({ id: 'power-down', label: 'Power down', action: { kind: 'power-down' }, feasible: true, reasons });
  }
  return options;
}

const keepLabel = (hall: HallCase): string =>
  hall.fleet.machines > 0 ? 'Keep mining' : hall.gpusToday.length > 0 ? 'Keep as it is' : 'Leave empty';

function verdict(
  { aiItMw, limits, binding }: Retrofit,
  reasons: readonly string[],
): { feasible: boolean; reasons: string[] } {
  if (aiItMw >= LEAST_AI_MW) return { feasible: true, reasons: [...reasons] };
  const why = limits.find(({ what }) => what === binding)?.note ?? 'no room';
  return { feasible: false, reasons: [`${binding}: ${why}`] };
}

export const retrofitOf = (action: Action): Retrofit | undefined =>
  action.kind === 'colocation' || action.kind === 'cloud' ? action.retrofit : undefined;
const limitsOf = (action: Action): readonly Limit[] => retrofitOf(action)?.limits ?? [];

export interface Valued {
  readonly option: Option;
  readonly flow: Flow;
  readonly cash: readonly number[];
  readonly npvUsd: number;
}

/** @param startMonth a conversion that would not be done within the years is not valued: undefined. */
export function value(world: World, facts: HallMonths, option: Option, startMonth = 0): Valued | undefined {
  if (startMonth + monthsToConvert(option.action, world) >= world.months) return undefined;
  const flow = simulate(world, facts, option.action, startMonth);
  const cash = cashUsd(flow);
  return { option, flow, cash, npvUsd: npvUsd(cash, world.values.discountPct / 100) };
}

export const spentUsd = ({ parts }: Flow): number =>
  parts.shellUsd + parts.hardwareUsd + parts.coolingUsd + parts.uplinkUsd;
const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x - b[i]!);
const percent = (rate: number | undefined): number | null => (rate === undefined ? null : rate * 100);

/** An option as it is told: `keep` is what it is measured against. */
export function describe(world: World, facts: HallMonths, valued: Valued, keep: Valued): ConvertOption {
  const { option, flow, cash } = valued;
  const { values } = world;
  const { action } = option;
  const fit = retrofitOf(action);
  const versus = minus(cash, keep.cash);
  const loan = loanFlowsUsd(flow.capexUsd, {
    share: values.debtSharePct / 100,
    annualRate: values.debtRatePct / 100,
    termMonths: Math.max(1, Math.round(values.debtTermYears * 12)),
  });
  const equity = cash.map((flowUsd, m) => flowUsd + loan[m]!);
  // Where nothing is spent there is nothing to earn a return on.
  const spends = spentUsd(flow) > 0;
  const mwYears = (facts.hall.usableMw * world.months) / 12;
  const revenue = sum(flow.miningUsd) + sum(flow.aiUsd);
  const ebitda = sum(ebitdaUsd(flow));
  return {
    id: option.id,
    kind: action.kind,
    label: option.label,
    feasible: true,
    reasons: [...option.reasons],
    limits: limitsOf(action).map(({ what, allowsMw, note }) => ({
      what,
      allowsMw: allowsMw ?? null,
      binding: what === fit?.binding,
      note,
    })),
    aiItMw: fit?.aiItMw ?? 0,
    gpus: action.kind === 'cloud' ? Math.round((action.retrofit.aiItMw * 1e6) / action.part.nameplateW) : null,
    displacedPct: fit === undefined ? (action.kind === 'keep' ? 0 : 100) : 100 * displaced(facts, fit.aiItMw),
    monthsToConvert: monthsToConvert(action, world),
    capexUsd: spentUsd(flow),
    capexParts: { ...flow.parts },
    npvUsd: valued.npvUsd,
    irrPct: spends ? percent(irr(cash)) : null,
    paybackMonths: paybackMonths(cash) ?? null,
    versusKeep: {
      npvUsd: valued.npvUsd - keep.npvUsd,
      irrPct: spends ? percent(irr(versus)) : null,
      paybackMonths: paybackMonths(versus) ?? null,
    },
    equity: { npvUsd: npvUsd(equity, values.discountPct / 100), irrPct: spends ? percent(irr(equity)) : null },
    perMwYear: { revenueUsd: revenue / mwYears, costUsd: (revenue - ebitda) / mwYears, ebitdaUsd: ebitda / mwYears },
    aiFullYear: aiFullYear(world, valued),
    miningFirstYear: miningFirstYear(world, facts, action),
    years: yearsOf(flow, cash),
  };
}

/** An option that cannot be done: no money, only why. */
export function refuse(option: Option): ConvertOption {
  const nothing = { revenueUsd: 0, costUsd: 0, ebitdaUsd: 0 };
  return {
    id: option.id,
    kind: option.action.kind,
    label: option.label,
    feasible: false,
    reasons: [...option.reasons],
    limits: limitsOf(option.action).map(({ what, allowsMw, note }) => ({
      what,
      allowsMw: allowsMw ?? null,
      binding: what === retrofitOf(option.action)?.binding,
      note,
    })),
    aiItMw: retrofitOf(option.action)?.aiItMw ?? 0,
    gpus: null,
    displacedPct: 0,
    monthsToConvert: 0,
    capexUsd: 0,
    capexParts: { shellUsd: 0, hardwareUsd: 0, coolingUsd: 0, uplinkUsd: 0 },
    npvUsd: 0,
    irrPct: null,
    paybackMonths: null,
    versusKeep: { npvUsd: 0, irrPct: null, paybackMonths: null },
    equity: { npvUsd: 0, irrPct: null },
    perMwYear: nothing,
    aiFullYear: null,
    miningFirstYear: null,
    years: [],
  };
}

/** Month in which the last customer has moved in. */
export function rentedMonth(action: Action, world: World, startMonth: number): number {
  const done = startMonth + monthsToConvert(action, world);
  if (action.kind === 'colocation') return done + Math.max(1, Math.round(world.values.coloRampMonths)) - 1;
  return action.kind === 'cloud' ? done + Math.max(1, Math.round(world.values.cloudRampMonths)) - 1 : done;
}

function aiFullYear(world: World, { option, flow }: Valued): ConvertOption['aiFullYear'] {
  const fit = retrofitOf(option.action);
  const from = rentedMonth(option.action, world, 0);
  if (fit === undefined || fit.aiItMw === 0 || from + 12 > world.months) return null;
  const year = (values: readonly number[]) => sum(values.slice(from, from + 12));
  const hours = Array.from({ length: 12 }, (_, m) => world.hours(from + m)).reduce((a, b) => a + b, 0);
  const revenueUsd = year(flow.aiUsd) / fit.aiItMw;
  const costUsd = year(flow.aiCostUsd) / fit.aiItMw;
  return { revenueUsd, costUsd, ebitdaUsd: revenueUsd - costUsd, usdPerMwh: revenueUsd / hours };
}

function miningFirstYear(
  world: World,
  { fleet, months }: HallMonths,
  action: Action,
): ConvertOption['miningFirstYear'] {
  if (action.kind !== 'keep' || fleet.itMw === 0 || world.months < 12) return null;
  const year = months.slice(0, 12);
  const hours = year.reduce((total, _, m) => total + world.hours(m), 0);
  const ran = year.reduce((total, { runShare }, m) => total + runShare * world.hours(m), 0);
  const revenueUsd = sum(year.map((month) => month.revenueUsd)) / fleet.itMw;
  const worked = ran * (world.values.miningUptimePct / 100);
  return { revenueUsd, usdPerMwh: worked === 0 ? 0 : revenueUsd / worked, runPct: (100 * ran) / hours };
}

function yearsOf(flow: Flow, cash: readonly number[]): ConvertOption['years'] {
  const ebitda = ebitdaUsd(flow);
  const of = (values: readonly number[], year: number) => sum(values.slice(year * 12, year * 12 + 12));
  return Array.from({ length: Math.ceil(cash.length / 12) }, (_, year) => ({
    year: year + 1,
    miningUsd: of(flow.miningUsd, year),
    aiUsd: of(flow.aiUsd, year),
    blockUsd: of(flow.blockUsd, year),
    energyUsd: of(flow.energyUsd, year),
    opexUsd: of(flow.opexUsd, year),
    ebitdaUsd: of(ebitda, year),
    capexUsd: of(flow.capexUsd, year),
    salvageUsd: of(flow.salvageUsd, year),
    cashUsd: of(cash, year),
    monthsCashUsd: cash.slice(year * 12, year * 12 + 12),
  }));
}
