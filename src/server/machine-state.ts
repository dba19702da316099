import { CATALOGUE, modeKey, type MachineState, type WallMs } from '../model/index.ts';
import type { FleetMachine } from './fleet.ts';

export interface StateContext {
  readonly wallNow: WallMs;
  /** Older readings are stale. */
  readonly staleMs: number;
  /** Mode the plan wants, and whether a command is on its way. */
  readonly wanted: string | undefined;
  readonly commandOpen: boolean;
  /** Site time since our hand last changed its mode. */
  readonly changedAgoMs: number | undefined;
}

/** A machine that was just woken may take this long before it must hash. */
const STARTING_MS = 10 * 60_000;
const UNREACHABLE_AFTER = 3;
const TOO_HOT_C = 95;

/** One of the eight words shown to people, and why. */
export function stateOf(member: FleetMachine, context: StateContext): { state: MachineState; why: string | undefined } {
  const { reading, readWall, fault, failures } = member;
  if (failures >= UNREACHABLE_AFTER || (reading === undefined && fault !== undefined)) {
    return { state: 'unreachable', why: fault?.message };
  }
  if (reading === undefined || readWall === undefined) return { state: 'stale', why: 'not read yet' };
  if (context.wallNow - readWall > context.staleMs)
    return { state: 'stale', why: fault?.message ?? 'no fresh reading' };
  if (member.machine.kind === 'gpu-server') return serverState(member);
  if (reading.mode?.kind === 'sleep') {
    const { wanted } = context;
    if (wanted !== undefined && wanted !== 'sleep') return { state: 'starting', why: `being woken to run ${wanted}` };
    return { state: 'curtailed', why: wanted === 'sleep' ? 'by the plan' : 'asleep, not by Busbar' };
  }
  return minerState(member, context);
}

function serverState({ reading }: FleetMachine): { state: MachineState; why: string | undefined } {
  const gpus = reading?.gpus ?? [];
  if ((reading?.errors ?? []).length > 0) return { state: 'degraded', why: reading!.errors!.join('; ') };
  if ((reading?.temperatureC ?? 0) >= TOO_HOT_C) return { state: 'degraded', why: `GPU at ${reading?.temperatureC} C` };
  const tpus = reading?.tpus ?? [];
  const busy = [...gpus.map((gpu) => gpu.utilisationPct), ...tpus.map((tpu) => tpu.dutyCyclePct)].some(
    (pct) => (pct ?? 0) >= 5,
  );
  if (busy) return { state: 'running', why: undefined };
  return { state: 'idle', why: `no job on its ${tpus.length > 0 ? 'TPUs' : 'GPUs'}` };
}

function minerState(member: FleetMachine, context: StateContext): { state: MachineState; why: string | undefined } {
  const { reading, machine } = member;
  const hashrateThs = reading?.hashrateThs;
  if (hashrateThs === undefined) return { state: 'degraded', why: 'reports no hashrate' };
  const profile = reading?.mode === undefined ? undefined : modeKey(reading.mode);
  const model = CATALOGUE.get(machine.modelId);
  const expected =
    reading?.points?.find((point) => point.profile === profile)?.hashrateThs ??
    (model?.kind === 'asic' ? model.nameplateThs : undefined);
  const share = expected === undefined ? undefined : hashrateThs / expected;
  const young = (context.changedAgoMs ?? Infinity) < STARTING_MS || (reading?.uptimeS ?? Infinity) * 1000 < STARTING_MS;
  if (hashrateThs <= 0 || (share !== undefined && share < 0.1)) {
    return young || context.commandOpen
      ? { state: 'starting', why: 'awake, not hashing yet' }
      : { state: 'faulted', why: 'awake and not hashing' };
  }
  if (share !== undefined && share < 0.85) {
    const why = `${Math.round(share * 100)} % of its hashrate`;
    return young ? { state: 'starting', why: `ramping, ${why}` } : { state: 'degraded', why };
  }
  if ((reading?.temperatureC ?? 0) >= TOO_HOT_C)
    return { state: 'degraded', why: `chip at ${reading?.temperatureC} C` };
  return { state: 'running', why: undefined };
}
