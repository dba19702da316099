import type { CgminerCommand } from './cgminer-reply.ts';
import { round2 } from './cgminer-reply.ts';
import { PHASE } from './miners.ts';
import type { MinerFacts } from './miner-facts.ts';
import type { LuxosGroup } from './luxos-writes.ts';

/** The reads of LuxOS beside the ones a control room polls: pool groups, limits, chips and voltages board by board. */
export interface LuxosAnswer {
  readonly code: number;
  readonly message: string;
  readonly body: object;
}
type Part = (facts: MinerFacts, command: CgminerCommand, groups: readonly LuxosGroup[], atm: boolean) => LuxosAnswer;

const HOT = { Target: 64, Hot: 70, Dangerous: 80 } as const;
const CHIPS_PER_ROW = 11;

export const PARTS: Readonly<Record<string, Part>> = {
  groups: (_facts, _command, groups) => ({
    code: 322,
    message: `${groups.length} Group(s)`,
    body: { GROUPS: groups.map(({ id, name, quota }) => ({ GROUP: id, Name: name, Quota: quota })) },
  }),
  tempctrl: () => ({
    code: 203,
    message: 'Temperature control',
    body: { TEMPCTRL: [{ Mode: 'Automatic', ...HOT }] },
  }),
  atm: (_facts, _command, _groups, atm) => ({
    code: 339,
    message: 'ATM configuration',
    body: { ATM: [{ Enabled: atm, PostRampMinutes: 10, StartupMinutes: 20, TempWindow: 5 }] },
  }),
  limits: ({ group }) => ({
    code: 328,
    message: 'Limits',
    body: {
      LIMITS: [
        {
          FanSpeedMax: 100,
          FanSpeedMin: 0,
          FrequencyMax: Math.max(...group.table.points.map((point) => point.frequencyMhz)),
          FrequencyMin: Math.min(...group.table.points.map((point) => point.frequencyMhz)),
          TemperatureMax: HOT.Dangerous,
          TemperatureMin: 0,
        },
      ],
    },
  }),
  coin: () => ({
    code: 78,
    message: 'LUXminer coin',
    body: { COIN: [{ 'Current Block Hash': '', 'Current Block Time': 0, 'Hash Method': 'sha256d', LP: true }] },
  }),
  asccount: () => ({ code: 104, message: 'ASC count', body: { ASCS: [{ Count: 3 }] } }),
  devdetails: (facts) => ({
    code: 69,
    message: 'Device Details',
    body: {
      DEVDETAILS: [0, 1, 2].map((board) => ({
        DEVDETAILS: board,
        'Device Path': '',
        Driver: 'LUXminer',
        ID: board,
        Kernel: '',
        Model: facts.typeName,
        Name: 'ASC',
      })),
    },
  }),
  voltageget: (facts, command) => ({
    code: 307,
    message: 'Get Voltage',
    body: { VOLTAGE: [{ Board: boardOf(command), Voltage: facts.phase === PHASE.asleep ? 0 : facts.point.voltage }] },
  }),
  healthchipget: (facts, command) => ({
    code: 309,
    message: 'Get chip health',
    body: { CHIPS: chipsOf(facts, boardOf(command)) },
  }),
};

/** `0`, `0,12`, or nothing for the first. */
const boardOf = ({ parameter }: CgminerCommand): number => Number(/^\d/.exec(parameter)?.[0] ?? 0) % 3;

function chipsOf(facts: MinerFacts, board: number): object[] {
  const ths = facts.boardThs[board] ?? 0;
  const ghs = round2((ths * 1000) / facts.chips);
  return Array.from({ length: facts.chips }, (_, chip) => ({
    Board: board,
    Chip: chip,
    Column: chip % CHIPS_PER_ROW,
    Domain: Math.floor(chip / CHIPS_PER_ROW),
    Frequency: facts.point.frequencyMhz,
    'GHS 15m': ghs,
    'GHS 1m': ghs,
    'GHS 5m': ghs,
    Healthy: ths > 0 || facts.phase !== PHASE.run ? 'Y' : 'N',
    IsChecking: false,
    Row: Math.floor(chip / CHIPS_PER_ROW),
    Score: ths > 0 ? 100 : 0,
    When: facts.when * 1000,
  }));
}
