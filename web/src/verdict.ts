import type { Alarm, Overview } from '../../src/model/api.ts';
import { known, power, powerChange } from './format.ts';

/** How the site stands, in one word; the worst that applies. */
export type Standing = 'alarm' | 'unknown' | 'no-plan' | 'off-plan' | 'moving' | 'on-plan' | 'shadow';

/** Farther from plan than this share of the connection, and nothing on its way: off plan. */
const TOLERANCE = 0.03;

export function standing(overview: Overview): Standing {
  const { connection, plan, alarms, commands } = overview;
  if (alarms.some((a) => a.severity === 'critical')) return 'alarm';
  if (known(connection.importW) && connection.importW > connection.limitW) return 'alarm';
  if (plan === null) return 'no-plan';
  if (!known(connection.importW)) return 'unknown';
  // Nobody follows a plan that is not carried out.
  if (overview.site.trust === 'shadow') return 'shadow';
  const offW = Math.abs(connection.importW - plan.targetW);
  if (offW <= connection.limitW * TOLERANCE) return 'on-plan';
  return commands.inFlight > 0 ? 'moving' : 'off-plan';
}

export const STANDING_WORDS: Readonly<Record<Standing, string>> = {
  alarm: 'Alarm',
  unknown: 'Import unknown',
  'no-plan': 'No plan',
  'off-plan': 'Off plan',
  moving: 'Moving to plan',
  'on-plan': 'On plan',
  shadow: 'Looking on',
};

export type Tone = 'calm' | 'move' | 'warn' | 'fault';

export interface Verdict {
  readonly question: string;
  readonly answer: string;
  readonly detail: string;
  readonly tone: Tone;
}

const count = (alarms: readonly Alarm[], severity: Alarm['severity']): number =>
  alarms.filter((a) => a.severity === severity).length;

/** "3 warnings", "1 critical alarm". */
export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`;

/** Are we safe? Critical alarms and the limit decide, then warnings, then what cannot be seen. */
export function safeVerdict({ alarms, connection }: Overview): Verdict {
  const critical = count(alarms, 'critical');
  const warnings = count(alarms, 'warning');
  const { importW, limitW } = connection;
  const roomW = known(importW) ? limitW - importW : null;
  const room = known(roomW) ? `${power(roomW)} below the limit` : 'room unknown: the feeder meter is silent';
  const question = 'Safe?';
  if (known(roomW) && roomW < 0) {
    return { question, answer: 'Over the limit', detail: `${power(-roomW)} above ${power(limitW)}`, tone: 'fault' };
  }
  if (critical > 0) return { question, answer: plural(critical, 'critical alarm'), detail: room, tone: 'fault' };
  if (!known(roomW)) return { question, answer: 'Import unknown', detail: room, tone: 'warn' };
  if (warnings > 0) return { question, answer: `Yes, ${plural(warnings, 'warning')}`, detail: room, tone: 'warn' };
  return { question, answer: 'Yes', detail: `${room}, no alarms`, tone: 'calm' };
}

/** Are we on plan? Import against the plan's target. */
export function planVerdict(overview: Overview): Verdict {
  const { connection, plan, commands } = overview;
  const question = 'On plan?';
  if (plan === null)
    return { question, answer: 'No plan yet', detail: 'the first plan needs readings and prices', tone: 'warn' };
  if (!known(connection.importW))
    return { question, answer: 'Unknown', detail: `planned ${power(plan.targetW)}`, tone: 'warn' };
  const offW = connection.importW - plan.targetW;
  const detail = `${powerChange(offW)} against ${power(plan.targetW)} planned`;
  if (overview.site.trust === 'shadow') {
    const would = `the plan would draw ${power(plan.targetW)}, ${powerChange(-offW)}`;
    return { question, answer: 'In shadow', detail: would, tone: 'calm' };
  }
  if (Math.abs(offW) <= connection.limitW * TOLERANCE) return { question, answer: 'Yes', detail, tone: 'calm' };
  if (commands.inFlight > 0)
    return { question, answer: `Moving, ${plural(commands.inFlight, 'command')}`, detail, tone: 'move' };
  return { question, answer: 'No', detail, tone: 'warn' };
}
