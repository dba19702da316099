import type { MinerFacts } from './miner-facts.ts';
import { PHASE } from './miners.ts';

/** A reply to one command: cgminer's STATUS first, then what was asked for. */
export type CgminerReply = Readonly<Record<string, unknown>>;

export interface CgminerCommand {
  readonly name: string;
  readonly parameter: string;
  /** Bitmain's flag beside the command: the answer in the shape of its web pages. */
  readonly newApi?: boolean;
}

/** cgminer's STATUS block. @param code its message number: 14 is an invalid command */
export function status(
  siteNow: number,
  kind: 'S' | 'E' | 'I',
  code: number,
  message: string,
  description: string,
): object[] {
  return [{ Code: code, Description: description, Msg: message, STATUS: kind, When: Math.floor(siteNow / 1000) }];
}

/** The second STATS row, which keeps the names of the stock API. */
export function statsOf(facts: MinerFacts): Record<string, unknown> {
  const row: Record<string, unknown> = {
    Calls: 0,
    Elapsed: facts.elapsedS,
    'GHS 5s': round2(facts.hashThs * 1000),
    'GHS av': round2(facts.lifeThs * 1000),
    ID: 'BTM_SOC0',
    Max: 0,
    Min: 99999999,
    Mode: 2,
    STATS: 0,
    Wait: 0,
    fan_num: facts.fanRpm.length,
    frequency: facts.point.frequencyMhz,
    miner_count: 3,
    no_matching_work: 0,
    rate_30m: round2(facts.averageThs * 1000),
    rate_unit: 'GH',
    temp_max: facts.exhaustC + 2,
    temp_num: 3,
    'total rate': round2(facts.hashThs * 1000),
    total_acn: facts.chips * 3,
    total_rateideal: round2(facts.point.hashThs * 1000),
  };
  facts.fanRpm.forEach((rpm, fan) => (row[`fan${fan + 1}`] = rpm));
  facts.boardThs.forEach((ths, b) => {
    const hot = facts.exhaustC + b;
    row[`chain_acn${b + 1}`] = ths > 0 || facts.phase !== PHASE.run ? facts.chips : 0;
    row[`chain_rate${b + 1}`] = (ths * 1000).toFixed(2);
    row[`chain_hw${b + 1}`] = 0;
    row[`freq${b + 1}`] = facts.point.frequencyMhz;
    row[`temp${b + 1}`] = hot - 5;
    row[`temp2_${b + 1}`] = hot;
    row[`temp_chip${b + 1}`] = `${hot}-${facts.intakeC}-${facts.intakeC}-${hot}`;
    row[`temp_pcb${b + 1}`] = `${hot - 5}-${facts.intakeC}-${facts.intakeC}-${hot - 5}`;
    row[`temp_pic${b + 1}`] = `${hot - 12}-${facts.intakeC}-${facts.intakeC}-${hot - 12}`;
  });
  return row;
}

export const round2 = (value: number): number => Math.round(value * 100) / 100;
