import { Fault, run, type BoardReading } from '../../model/index.ts';
import type { BraiinsBackend, BraiinsTarget } from '../braiins.ts';
import type { DriverIo } from '../driver.ts';
import { askCgminer, expectSuccess, part, poolsOf, requirePart, sharesOf } from './cgminer.ts';
import { amount, fields, list, max, num, text, type Fields } from './fields.ts';
import { expectTold, optional, parts } from './parts.ts';

/** What the tuner says of a board that is well (words that public clients pass over). */
const WELL = /^(stable|testing performance profile|tuning individual chips)/i;

/**
 * Braiins OS by its cgminer API alone (the Bosminer API documentation): what is left of a machine whose web port is closed,
 * or that is older than both web APIs. It tells nearly everything; of writes it knows the pause.
 */
export function braiinsRpc(target: BraiinsTarget, io: DriverIo): BraiinsBackend {
  const { address, rpcPort, timeoutMs } = target;
  const at = { host: address, port: rpcPort, timeoutMs };

  async function ask(command: string, signal?: AbortSignal): Promise<Fields> {
    const reply = await askCgminer(io.tcp, at, command, undefined, signal);
    expectSuccess(reply, `${address} ${command}`);
    return reply;
  }
  const unsupported = (what: string) => async (): Promise<never> => {
    throw new Fault(
      'unsupported',
      `${address}: its web port gives neither REST nor GraphQL; ${what} needs one of them`,
    );
  };

  return {
    async read(signal) {
      const summary = requirePart(await ask('summary', signal), 'summary', 'SUMMARY', 'Elapsed', `${address} summary`);
      const tuner = tunerOf(await optional(ask('tunerstatus', signal)));
      const temps = await optional(ask('temps', signal));
      const mhs = amount(summary['MHS 5s']) ?? amount(summary['MHS 1m']);
      const powerW = amount(tuner['ApproximateMinerPowerConsumption']);
      return {
        at: io.siteNow(),
        powerW,
        powerBasis: powerW === undefined ? undefined : 'measured',
        hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
        // Without a hashrate it may be paused, starting or broken: it does not say which.
        mode: mhs !== undefined && mhs > 0 ? run('default') : undefined,
        temperatureC: max(rowsOf(temps, 'temps', 'TEMPS').map(hottest)),
        uptimeS: amount(summary['Elapsed']),
        acceptedShares: amount(summary['Accepted']),
        rejectedShares: amount(summary['Rejected']),
        powerLimitW: amount(tuner['PowerLimit']) || undefined,
      };
    },
    async inspect(signal) {
      const asked = parts();
      const version = await asked.get('identity', () => ask('version', signal));
      const details = await asked.get('model', () => ask('devdetails', signal));
      const devs = await asked.get('boards', () => ask('devs', signal));
      const temps = await asked.get('temperatures', () => ask('temps', signal));
      const fans = await asked.get('fans', () => ask('fans', signal));
      const pools = await asked.get('pools', () => ask('pools', signal));
      const tuner = await asked.get('errors', () => ask('tunerstatus', signal));
      const gaps = asked.gaps();
      const rpms = rowsOf(fans, 'fans', 'FANS').map((fan) => amount(fan['RPM']));
      const poolList = pools === undefined ? undefined : poolsOf(pools);
      const active = poolList?.find((pool) => pool.active === true);
      const told = rowsOf(version, 'version', 'VERSION')[0] ?? {};
      const models = rowsOf(details, 'devdetails', 'DEVDETAILS');
      return expectTold(
        {
          at: io.siteNow(),
          model: models.map((row) => text(row['Model'])).find((name) => name !== undefined),
          firmware: Object.entries(told).flatMap(([key, value]) => (/^bos/i.test(key) ? (text(value) ?? []) : []))[0],
          boards: boardsOf(rowsOf(devs, 'devs', 'DEVS'), models, rowsOf(temps, 'temps', 'TEMPS')),
          fansRpm: rpms.some((rpm) => rpm !== undefined) ? rpms : undefined,
          fanRpm: max(rpms),
          pools: poolList,
          pool: active && { url: active.url, worker: active.worker },
          acceptedShares: sharesOf(poolList, 'acceptedShares'),
          rejectedShares: sharesOf(poolList, 'rejectedShares'),
          errors: tuner === undefined ? undefined : errorsOf(tunerOf(tuner)),
          gaps,
        },
        address,
      );
    },
    sleep: async (signal) => void (await ask('pause', signal)),
    wake: async (signal) => void (await ask('resume', signal)),
    setMode: unsupported('a profile'),
    setPowerLimit: unsupported('a limit of watts'),
    setPools: unsupported('a change of pools'),
    reboot: unsupported('a restart'),
    locate: unsupported('its lamp'),
    close() {},
  };
}

const rowsOf = (reply: Fields | undefined, command: string, key: string): readonly Fields[] =>
  reply === undefined ? [] : part(reply, command, key);

const tunerOf = (reply: Fields | undefined): Fields => rowsOf(reply, 'tunerstatus', 'TUNERSTATUS')[0] ?? {};

/** A sensor that is not there says 0. */
const hottest = (row: Fields): number | undefined =>
  max([row['Chip'], row['Board']].map((celsius) => num(celsius) || undefined));

/** More than any machine has: a number beyond is damage. */
const LAST_SLOT = 32;

/** Boards carry the numbers of their slots: 1 to 3, or 6 to 8 on the oldest machines. */
function boardsOf(
  devs: readonly Fields[],
  details: readonly Fields[],
  temps: readonly Fields[],
): readonly BoardReading[] | undefined {
  const slots = [...new Set([...devs, ...details, ...temps].map((row) => num(row['ID'])))]
    .filter((slot): slot is number => slot !== undefined && Number.isInteger(slot) && slot >= 0 && slot <= LAST_SLOT)
    .sort((a, b) => a - b);
  const first = slots[0] ?? 0;
  const offset = first >= 6 ? 6 : Math.min(first, 1);
  const boards = slots.map((slot): BoardReading => {
    const of = (rows: readonly Fields[]): Fields => rows.find((row) => num(row['ID']) === slot) ?? {};
    const mhs = amount(of(devs)['MHS 5s']) ?? amount(of(devs)['MHS 1m']);
    return {
      index: slot - offset,
      hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
      temperatureC: hottest(of(temps)),
      chips: amount(of(details)['Chips']) || undefined,
    };
  });
  return boards.length === 0 ? undefined : boards;
}

/** A board says `Stable`, or what is the matter, with its parameters in braces behind it. */
function errorsOf(tuner: Fields): string[] | undefined {
  if (!Array.isArray(tuner['TunerChainStatus'])) return undefined;
  return list(tuner['TunerChainStatus']).flatMap((row) => {
    const { HashchainIndex: slot, Status } = fields(row);
    const said = text(Status)?.replace(/\s*\{.*$/s, '');
    return said === undefined || WELL.test(said) ? [] : [`board ${num(slot) ?? '?'}: ${said}`];
  });
}
