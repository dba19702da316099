// A whole result as a backtest gives it, its figures reckoned by a fixed formula, for the tests of report and terminal.
import { POLICIES, type BacktestResult, type Outcome, type PolicyName } from './types.ts';

const MONTHS = Array.from({ length: 12 }, (_, i) => `2025-${String(i + 1).padStart(2, '0')}`);
/** How well each policy does, between losing money and knowing all. */
const SKILL: Readonly<Record<PolicyName, number>> = {
  plan: 0.8,
  rule: 0.3,
  practice: 0.5,
  'always-on': 0,
  foresight: 1,
};

function outcomeOf(policy: PolicyName): Outcome {
  const skill = SKILL[policy];
  const parts = {
    energyMwh: 300_000 - 40_000 * skill,
    energyUsd: 12_600_000 - 2_900_000 * skill,
    hashPhHours: 9_000_000 - 700_000 * skill,
    miningUsd: 15_200_000 - 900_000 * skill,
    gpuHours: 8_000_000,
    workUsd: 4_100_000 + 100_000 * skill,
    penaltyUsd: 90_000 - 80_000 * skill,
    interruptUsd: 4_000 * skill,
    wakes: Math.round(900_000 * skill),
    wakeUsd: 45_000 * skill,
    retuneUsd: 12_000 * skill,
    demandUsd: 1_900_000 - 200_000 * skill,
    coincidentUsd: 2_500_000 - 2_400_000 * skill,
    curtailedHours: 1_400 * skill,
  };
  const costsUsd =
    parts.energyUsd + parts.penaltyUsd + parts.interruptUsd + parts.wakeUsd + parts.retuneUsd + parts.demandUsd;
  return { profitUsd: parts.miningUsd + parts.workUsd - costsUsd - parts.coincidentUsd, ...parts };
}

/** @param change what is different from a site that pays for coincident peaks */
export function sampleResult(change: Partial<BacktestResult> = {}): BacktestResult {
  const outcomes = {
    plan: outcomeOf('plan'),
    rule: outcomeOf('rule'),
    practice: outcomeOf('practice'),
    'always-on': outcomeOf('always-on'),
    foresight: outcomeOf('foresight'),
  };
  const share = (policy: PolicyName, i: number): number => (outcomes[policy].profitUsd / 12) * (1 + Math.sin(i) / 2);
  const rest = (policy: PolicyName): number =>
    outcomes[policy].profitUsd - MONTHS.slice(1).reduce((sum, _, i) => sum + share(policy, i + 1), 0);
  const monthUsd = (i: number) => (policy: PolicyName) => (i === 0 ? rest(policy) : share(policy, i));
  const [plan, rule, practice, always, foresight] = POLICIES.map((policy) => outcomes[policy].profitUsd) as Five;
  return {
    site: 'Coupled 40 MW',
    from: '2025-01-01T00:00:00Z',
    to: '2026-01-01T00:00:00Z',
    stepMinutes: 15,
    cohorts: 11,
    profitUsd: plan,
    ruleProfitUsd: rule,
    practiceProfitUsd: practice,
    foresightProfitUsd: foresight,
    alwaysOnProfitUsd: always,
    gapClosed: (plan - rule) / (foresight - rule),
    gapClosedOverPractice: (plan - practice) / (foresight - practice),
    curtailedHours: outcomes.plan.curtailedHours,
    coincidentPeak: {
      avoidedShare: 0.873,
      curtailedHours: 61.5,
      peaks: [
        { start: '2025-06-24T21:00:00Z', loadMw: 74_120.4, importMw: 3.52 },
        { start: '2025-07-30T21:00:00Z', loadMw: 77_880.1, importMw: 3.49 },
        { start: '2025-08-18T21:00:00Z', loadMw: 78_914.6, importMw: 21.7 },
        { start: '2025-09-04T21:00:00Z', loadMw: 73_011.9, importMw: 3.61 },
      ],
    },
    outcomes,
    gains: {
      operatingPoints: 0.6 * (plan - rule),
      coincidentPeaks: 0.5 * (plan - rule),
      demandCharge: 0,
      wakes: -0.05 * (plan - rule),
      work: -0.05 * (plan - rule),
      negativePrices: 0,
    },
    regret: null,
    months: MONTHS.map((month, i) => ({
      month,
      profitUsd: {
        plan: monthUsd(i)('plan'),
        rule: monthUsd(i)('rule'),
        practice: monthUsd(i)('practice'),
        'always-on': monthUsd(i)('always-on'),
        foresight: monthUsd(i)('foresight'),
      },
    })),
    notes: [
      'prices.csv: the median is 0.031 $/MWh: are they in $/kWh? Figures are taken as they stand',
      'no GPU prices are given: they are held constant over the period',
    ],
    ...change,
  };
}
type Five = [number, number, number, number, number];
