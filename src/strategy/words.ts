import type { ConvertHall, ConvertOption, ConvertResult } from '../model/convert-api.ts';
import { DAY, type Site } from '../model/index.ts';
import type { Replay } from './replay.ts';
import type { Judged } from './judged.ts';
import type { Study } from './study.ts';

/** Sentences of a study: the answer in plain words, what it hangs on, and what a reader must know of its making. */

/** `$1.2M`, `-$340k`, `$12`. */
export function shortUsd(usd: number): string {
  const size = Math.abs(usd);
  const text =
    size >= 999.5e6
      ? `${(size / 1e9).toFixed(2)}bn`
      : size >= 9.95e6
        ? `${(size / 1e6).toFixed(1)}M`
        : size >= 0.995e6
          ? `${(size / 1e6).toFixed(2)}M`
          : size >= 995
            ? `${Math.round(size / 1e3)}k`
            : `${Math.round(size)}`;
  return `${usd < 0 && text !== '0' ? '-' : ''}$${text}`;
}
const signed = (usd: number): string => (usd > 0 ? `+${shortUsd(usd)}` : shortUsd(usd));

/** `3.2 years`, `8 months`. */
export const monthsText = (months: number): string =>
  months < 24 ? `${months} ${months === 1 ? 'month' : 'months'}` : `${(months / 12).toFixed(1)} years`;
const payback = (months: number | null): string =>
  months === null ? 'does not pay back within the study' : `pays back in ${monthsText(months)}`;

const number = (value: number, digits = 1): string => value.toLocaleString('en-US', { maximumFractionDigits: digits });

export function whyOf(hall: ConvertHall, best: ConvertOption): string {
  const keep = hall.options.find(({ id }) => id === 'keep');
  const mining = keep?.miningFirstYear;
  const facts = [
    hall.joulePerTh !== null && mining !== undefined && mining !== null
      ? `its miners take ${number(hall.joulePerTh)} J/TH and bring ${shortUsd(mining.revenueUsd)} per MW-year before power`
      : undefined,
    best.aiFullYear !== null
      ? `${number(best.aiItMw)} MW of AI ${best.aiFullYear.ebitdaUsd >= 0 ? 'leave' : 'lose'} ${shortUsd(Math.abs(best.aiFullYear.ebitdaUsd))} per MW-year after running cost, for ${shortUsd(best.capexUsd)} spent`
      : `${number(best.aiItMw)} MW of AI for ${shortUsd(best.capexUsd)} spent`,
    limitText(best),
  ];
  return facts.filter((fact) => fact !== undefined).join('; ');
}

function limitText({ limits }: ConvertOption): string | undefined {
  const binding = limits.find((limit) => limit.binding);
  if (binding === undefined) return undefined;
  return `${binding.what} limits it (${binding.note})`;
}

interface Findings {
  readonly judged: readonly Judged[];
  readonly ranking: ConvertResult['ranking'];
  readonly plan: ConvertResult['plan'];
  readonly tornado: ConvertResult['tornado'];
  readonly years: number;
}

export function conclude({ judged, ranking, plan, tornado, years }: Findings): ConvertResult['conclusion'] {
  const best = ranking[0];
  const planText = planSentence(plan, judged);
  if (best === undefined) {
    const halls = judged.filter(({ hall }) => hall.fleet.machines > 0).length;
    const sentence =
      halls === 0
        ? 'No hall of this site mines: there is nothing to convert.'
        : 'No hall that mines can host AI as it is: every AI option runs into a limit.';
    return {
      sentence,
      because: 'See the options of each hall for what stands in the way.',
      hangsOn: '',
      plan: planText,
    };
  }
  const { hall, told } = judged.find((one) => one.hall.id === best.hallId)!;
  const option = told.options.find(({ id }) => id === best.optionId)!;
  const sentence =
    best.gainUsd > 0
      ? `Convert ${hall.name} first, to ${option.label}: ${signed(best.gainUsd)} present value over ${years} years against mining on; it ${payback(best.paybackMonths)}.`
      : `Convert no hall to AI under these assumptions. ${hall.name} comes nearest, as ${option.label}: ${signed(best.gainUsd)} present value over ${years} years against mining on.`;
  const better = told.options.find(({ id }) => id === told.bestId);
  const instead =
    better !== undefined && better.id !== option.id && better.id !== 'keep'
      ? ` ${better.label} would earn more still there: ${signed(better.versusKeep.npvUsd)}.`
      : '';
  return {
    sentence: sentence + instead,
    because: `Because ${best.because}.`,
    hangsOn: hangsOn(tornado, best),
    plan: planText,
  };
}

/** The assumption that moves the gain most, and whether it can turn the answer round. */
function hangsOn(tornado: ConvertResult['tornado'], best: ConvertResult['ranking'][number]): string {
  const found = tornado.find(({ hallId }) => hallId === best.hallId);
  const bar = found?.bars[0];
  if (found === undefined || bar === undefined) return '';
  const turning = found.bars.filter(
    ({ atLowUsd, atHighUsd }) => Math.min(atLowUsd, atHighUsd) < 0 !== Math.max(atLowUsd, atHighUsd) < 0,
  );
  const turns =
    turning.length === 0
      ? 'No single assumption turns the answer within its range.'
      : `Each of these alone turns the answer within its range: ${turning
          .slice(0, 4)
          .map(({ label }) => label)
          .join('; ')}${turning.length > 4 ? `; and ${turning.length - 4} more` : ''}.`;
  return `It hangs most on "${bar.label}": ${signed(bar.atLowUsd)} at ${number(bar.low, 2)} and ${signed(bar.atHighUsd)} at ${number(bar.high, 2)} ${bar.unit}. ${turns}`;
}

function planSentence(plan: ConvertResult['plan'], judged: readonly Judged[]): string {
  if (plan.status === 'infeasible')
    return 'No plan fits: what cannot be turned off is more than the connection carries.';
  if (plan.status === 'none found') return 'No plan was found that fits before the search was stopped.';
  const most = plan.boundGainUsd === null ? '' : ` (no plan gains more than ${shortUsd(plan.boundGainUsd)})`;
  const proof = plan.status === 'optimal' ? 'Best plan' : `Best plan found, not proven best${most}`;
  if (plan.steps.length === 0) return `${proof}: leave every hall as it is.`;
  const name = (hallId: string) => judged.find(({ hall }) => hall.id === hallId)?.hall.name ?? hallId;
  const steps = plan.steps.map(({ hallId, label, start }) => `${name(hallId)}: ${label} from ${start.slice(0, 7)}`);
  const gain = plan.gainUsd === null ? '' : ` ${signed(plan.gainUsd)} against leaving all as it is,`;
  return `${proof}:${gain} ${shortUsd(plan.capexUsd ?? 0)} spent. ${steps.join('; ')}.`;
}

interface Made {
  readonly replay: Replay;
  readonly judged: readonly Judged[];
  readonly recorded: { readonly hashprice: unknown; readonly gpu: ReadonlyMap<string, unknown> };
  readonly study: Study;
  readonly site: Site;
  /** GPU parts whose rent is known. */
  readonly priced: ReadonlyMap<string, unknown>;
}

const MOST_GAPS_NAMED = 3;

export function notesOf({ replay, judged, recorded, study, site, priced }: Made): ConvertResult['notes'] {
  const notes: ConvertResult['notes'] = [];
  const say = (loud: boolean, text: string) => void notes.push({ loud, text });
  const days = (replay.to - replay.from) / DAY;
  if (!replay.seasonal)
    say(
      true,
      `${number(days)} days of prices (${day(replay.from)} to ${day(replay.to)}) stand for every month of ${study.years} years: seasons, droughts and storms are missing. Replay a whole year before anybody signs.`,
    );
  if (replay.gaps.length > 0) {
    const missing = replay.gaps.reduce((total, { intervals }) => total + intervals, 0);
    const named = replay.gaps.slice(0, MOST_GAPS_NAMED).map(({ from, to }) => `${stamp(from)} to ${stamp(to)}`);
    say(
      true,
      `${missing} intervals of prices are missing and left out, not taken for nothing: ${named.join(', ')}${replay.gaps.length > MOST_GAPS_NAMED ? ` and ${replay.gaps.length - MOST_GAPS_NAMED} more gaps` : ''}.`,
    );
  }
  if (replay.weatherCoverage < 1)
    say(
      replay.weatherCoverage < 0.5,
      `Weather is known for ${number(100 * replay.weatherCoverage)} % of the replayed period; elsewhere the wet bulb is taken as assumed.`,
    );
  if (recorded.hashprice === undefined)
    say(
      false,
      'Hashprice is an assumption: the replayed period has no chain and bitcoin price beside the prices of power.',
    );
  say(
    false,
    'GPU rents have no public year that moves: a recorded or listed rent is taken and falls by the assumed rate.',
  );
  const unknownSpace = judged.filter(
    ({ hall, options }) =>
      hall.space === undefined && options.some(({ action }) => action.kind === 'cloud' || action.kind === 'colocation'),
  );
  if (unknownSpace.length > 0)
    say(
      true,
      `Power density is not checked for ${unknownSpace.map(({ hall }) => hall.name).join(', ')}: the site file tells no "space" (racks, kwPerRack).`,
    );
  const unpriced = [...new Set(judged.flatMap(({ hall }) => hall.gpusToday.map(({ gpuModel }) => gpuModel)))].filter(
    (model) => !priced.has(model),
  );
  if (unpriced.length > 0) say(true, `No rent is known for ${unpriced.join(', ')}: these GPUs count nothing.`);
  if (site.tariff.kind === 'block-and-real-time')
    say(
      false,
      `The block of ${number(site.tariff.blockMw)} MW at $${number(site.tariff.blockUsdPerMwh, 2)}/MWh is paid in every option and worth real time; each hall bears its share by breaker, so it moves no comparison within a hall.`,
    );
  say(
    false,
    'Taxes, grid programs and coincident-peak charges are left out. Figures are before financing but where "equity" stands.',
  );
  return notes;
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`;
