import { luxos } from '../../src/drivers/luxos.ts';
import { openDriverWorld } from '../../src/drivers/wire/world.ts';
import { guardView, siteMs, wallMs } from '../../src/model/index.ts';
import { CHEAP_USD_PER_MWH, type CampaignWorld } from './world.ts';

/** One way in which a site goes wrong. */
export interface CampaignFault {
  readonly name: string;
  /** Out of all, how often it is drawn. */
  readonly weight: number;
  /** How long it lasts, wall seconds. */
  readonly lastsS: readonly [least: number, most: number];
  /** @param random from 0 to 1 @returns what ends it; undefined where it could not begin now */
  begin(world: CampaignWorld, random: () => number): Promise<(() => void) | undefined>;
}

const HALLS = ['a', 'd', 'e'] as const;
const METERS = ['meter-a', 'meter-d', 'meter-e', 'feeder'] as const;
const MACHINES = ['silent', 'garbled', 'late', 'refused', 'lies'] as const;
const GROUPS: Readonly<Record<(typeof HALLS)[number], readonly string[]>> = {
  a: ['a-s21', 'meter-a'],
  d: ['d-s21xp', 'meter-d'],
  e: ['e-h100', 'e-a100', 'e-rtx4090', 'e-a6000', 'meter-e'],
};
/** Miners of each hall of miners. */
const MINERS = 30;
const NOTHING = (): void => {};

const pick = <T>(list: readonly T[], random: () => number): T => list[Math.floor(random() * list.length)]!;
const machine = (random: () => number): string => {
  const n = String(1 + Math.floor(random() * MINERS)).padStart(4, '0');
  return `${random() < 0.5 ? 'a-s21' : 'd-s21xp'}-${n}`;
};

function inject(world: CampaignWorld, targets: readonly string[], fault: string): () => void {
  const tell = (what: string) =>
    world.sim.child.connected && world.sim.child.send({ type: 'inject', targets, fault: what });
  tell(fault);
  return () => void tell('clear');
}

/** @returns the guard that was told; undefined where none is known now */
async function tellGuard(world: CampaignWorld, signal: NodeJS.Signals): Promise<number | undefined> {
  const url = world.server()?.url;
  if (url === undefined) return undefined;
  try {
    const reply = await fetch(`${url}/api/v1/guard`, { signal: AbortSignal.timeout(1_000) });
    const { pid } = guardView.parse(await reply.json());
    if (pid !== null) process.kill(pid, signal);
    return pid ?? undefined;
  } catch {
    // The server stands still, or the guard has just ended.
    return undefined;
  }
}

/** Somebody at the machines' own pages wakes all miners of hall a, whatever anybody wants. */
async function wakeByHand({ settings }: CampaignWorld): Promise<void> {
  const devices = openDriverWorld({
    portOffset: settings.offset,
    secret: () => '',
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(performance.now()),
  });
  const config = luxos.config.parse({});
  await Promise.allSettled(
    Array.from({ length: MINERS }, async (_, n) => {
      const device = luxos.open({ address: `127.1.0.${n + 1}`, modelId: 'antminer-s21', config }, devices.io);
      await device.wake!();
      device.close();
    }),
  );
  await devices.close();
}

export const DISK_IS_FULL = 'the disk is full';

export const FAULTS: readonly CampaignFault[] = [
  {
    name: 'a machine fails',
    weight: 30,
    lastsS: [1, 8],
    begin: async (world, random) => inject(world, [machine(random)], pick(MACHINES, random)),
  },
  {
    name: 'a meter is lost',
    weight: 12,
    lastsS: [1, 8],
    begin: async (world, random) => inject(world, [pick(METERS, random)], pick(['silent', 'garbled', 'late'], random)),
  },
  {
    name: 'the scheduler is silent',
    weight: 6,
    lastsS: [2, 8],
    begin: async (world, random) => inject(world, ['slurm'], pick(['silent', 'garbled'], random)),
  },
  {
    name: 'a hall is cut off from the network',
    weight: 6,
    lastsS: [2, 8],
    begin: async (world, random) => inject(world, GROUPS[pick(HALLS, random)], 'silent'),
  },
  {
    name: 'the price spikes',
    weight: 8,
    lastsS: [4, 12],
    async begin({ prices }, random) {
      prices.usdPerMwh = pick([-30, 250, 900, 5_000], random);
      return () => void (prices.usdPerMwh = CHEAP_USD_PER_MWH);
    },
  },
  {
    name: 'the price is silent',
    weight: 6,
    lastsS: [4, 15],
    async begin({ prices }) {
      prices.isSilent = true;
      return () => void (prices.isSilent = false);
    },
  },
  {
    name: 'the clock jumps',
    weight: 6,
    lastsS: [2, 10],
    async begin(world, random) {
      world.trouble({ clockAheadMs: Math.round((random() - 0.5) * 20_000) });
      return () => world.trouble({ clockAheadMs: 0 });
    },
  },
  {
    name: 'the solver stands still',
    weight: 3,
    lastsS: [22, 25],
    async begin(world) {
      world.trouble({ isSolverStuck: true });
      return () => world.trouble({ isSolverStuck: false });
    },
  },
  {
    name: 'the server is killed',
    weight: 4,
    lastsS: [0, 1],
    async begin(world) {
      const server = world.server();
      if (server === undefined) return undefined;
      await server.kill();
      return NOTHING;
    },
  },
  {
    name: 'the server stands still',
    weight: 3,
    lastsS: [2, 12],
    async begin(world) {
      const child = world.server()?.child;
      if (child === undefined) return undefined;
      child.kill('SIGSTOP');
      return () => void child.kill('SIGCONT');
    },
  },
  {
    name: 'the guard is killed',
    weight: 4,
    lastsS: [0, 1],
    begin: async (world) => ((await tellGuard(world, 'SIGKILL')) === undefined ? undefined : NOTHING),
  },
  {
    name: 'the guard stands still',
    weight: 2,
    lastsS: [2, 8],
    async begin(world) {
      const pid = await tellGuard(world, 'SIGSTOP');
      if (pid === undefined) return undefined;
      return () => {
        try {
          process.kill(pid, 'SIGCONT');
        } catch {
          // The server has put another in its place.
        }
      };
    },
  },
  {
    name: DISK_IS_FULL,
    weight: 3,
    lastsS: [2, 6],
    async begin({ fillDisk }) {
      if (fillDisk === undefined) return undefined;
      fillDisk(true);
      return () => fillDisk(false);
    },
  },
  {
    name: 'miners are woken by hand',
    weight: 5,
    lastsS: [0, 1],
    async begin(world) {
      await wakeByHand(world);
      return NOTHING;
    },
  },
  {
    name: 'a hall loses its supply',
    weight: 2,
    lastsS: [0, 1],
    async begin(world, random) {
      world.trip(pick(HALLS, random));
      return NOTHING;
    },
  },
  {
    name: 'the feeder loses its supply: a black start',
    weight: 1,
    lastsS: [0, 1],
    async begin(world) {
      world.trip('connection');
      return NOTHING;
    },
  },
];
