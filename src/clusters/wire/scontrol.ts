import { Fault, type ProgramPort } from '../../model/index.ts';

/**
 * What slurmrestd of Debian's Slurm cannot do, by `scontrol` on this host: these acts and no others, run without a shell,
 * each argument of a form that is checked first. Where there is a JWT it is handed over, so that Slurm knows its user.
 */

const NODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const JOB = /^\d{1,10}(_\d{1,10})?$/;
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
const PARTITION = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const USER = /^[a-z_][a-z0-9_.-]{0,31}$/;

function checked(value: string, form: RegExp, what: string): string {
  if (!form.test(value)) throw new Fault('refused', `${JSON.stringify(value)} is no ${what} of Slurm`);
  return value;
}
export const nodeName = (name: string): string => checked(name, NODE, 'name of a node');
export const jobNumber = (id: string): string => checked(id, JOB, 'number of a job');

/** One line of plain characters: what Slurm prints of it again can be read by anybody's script. */
export const plainReason = (why: string): string =>
  why
    .replaceAll(/[^A-Za-z0-9.,:;/%+_-]+/g, ' ')
    .trim()
    .slice(0, 120);

const whole = (value: number): string => {
  if (!Number.isInteger(value) || value < 0 || value > 1_000_000) throw new Fault('refused', `${value} is no count`);
  return String(value);
};

const ACTS = {
  token: (user: string, lifetimeS: number) => [
    'token',
    `username=${checked(user, USER, 'user')}`,
    `lifespan=${whole(lifetimeS)}`,
  ],
  requeue: (id: string) => ['requeue', jobNumber(id)],
  drain: (node: string, reason: string) => update(node, 'drain', reason),
  resume: (node: string) => update(node, 'resume'),
  powerDown: (node: string, reason: string) => update(node, 'power_down', reason),
  powerUp: (node: string) => update(node, 'power_up'),
  // Licences nobody else may take; who takes them has started before, and keeps them.
  createReserve: (name: string, licence: string, reserved: number) => [
    'create',
    'reservation',
    `reservationname=${checked(name, NAME, 'reservation')}`,
    'starttime=now',
    'duration=infinite',
    'user=root',
    'flags=license_only,ignore_jobs',
    `licenses=${checked(licence, NAME, 'licence')}:${whole(reserved)}`,
  ],
  updateReserve: (name: string, licence: string, reserved: number) => [
    'update',
    `reservationname=${checked(name, NAME, 'reservation')}`,
    `licenses=${checked(licence, NAME, 'licence')}:${whole(reserved)}`,
  ],
  partitionNodes: (name: string, nodes: readonly string[]) => [
    'update',
    `partitionname=${checked(name, PARTITION, 'partition')}`,
    `nodes=${nodes.map(nodeName).join(',')}`,
  ],
  deleteReserve: (name: string) => ['delete', `reservationname=${checked(name, NAME, 'reservation')}`],
} as const;

function update(node: string, state: string, reason?: string): string[] {
  const why = reason === undefined ? [] : [`reason=${plainReason(reason)}`];
  return ['update', `nodename=${nodeName(node)}`, `state=${state}`, ...why];
}

export interface Scontrol {
  /** @returns what it printed @throws Fault */
  run<A extends keyof typeof ACTS>(act: A, args: Parameters<(typeof ACTS)[A]>, signal?: AbortSignal): Promise<string>;
}

/** @param jwt the token it acts with; undefined: as the user of this process, known to munge */
export function openScontrol(
  programs: ProgramPort,
  options: { readonly conf: string | undefined; readonly timeoutMs: number },
  jwt: (signal: AbortSignal | undefined) => Promise<string | undefined>,
): Scontrol {
  return {
    async run(act, args, signal) {
      const list = (ACTS[act] as (...all: readonly unknown[]) => string[])(...args);
      // A token is asked of the controller with the credentials of this process, or it would need itself.
      const token = act === 'token' ? undefined : await jwt(signal);
      const env = {
        ...(options.conf === undefined ? {} : { SLURM_CONF: options.conf }),
        ...(token === undefined ? {} : { SLURM_JWT: token }),
      };
      const { timeoutMs } = options;
      const { code, stdout, stderr } = await programs.run({ program: 'scontrol', args: list, env, timeoutMs, signal });
      if (code === 0) return stdout;
      const said = (stderr || stdout).trim().split('\n')[0] ?? '';
      const where = `scontrol ${list[0]} ${list[1] ?? ''}`;
      // The words of slurm_errno.c.
      if (/unable to contact|connection refused|timed out|zero bytes/i.test(said))
        throw new Fault('unreachable', `${where}: ${said}; is slurmctld up?`);
      if (/permission denied|access\/permission|authentication/i.test(said))
        throw new Fault(
          'unauthorised',
          `${where}: ${said}; its user needs sacctmgr modify user NAME set adminlevel=Administrator`,
        );
      throw new Fault('refused', `${where}: ${said === '' ? `exit code ${code}` : said}`);
    },
  };
}
