import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Plan, Snapshot, WorkFacts } from '../model/index.ts';
import { bareHall, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planWith } from './plan.ts';
import { bestRoleMove, type RoleFacts } from './roles.ts';

const highs = await loadHighs();

const work = (roleId: string, wanted: number, partGpus: number, usdPerGpuHour: number): WorkFacts => ({
  id: roleId,
  hallId: 'a',
  className: 'on-demand',
  line: 'ai',
  gpuModel: 'h100',
  roleId,
  runningGpus: Math.min(wanted, partGpus),
  queuedGpus: Math.max(0, wanted - partGpus),
  heldGpus: 0,
  partGpus,
  committedGpus: 0,
  marginalWPerGpu: 600,
  usdPerGpuHour,
  penaltyUsdPerGpuHour: 0,
  interruptUsdPerGpu: 0,
});
const role = (roleId: string, nodes: number, change: Partial<RoleFacts> = {}): RoleFacts => ({
  clusterId: 'hpc',
  hallId: 'a',
  gpuModel: 'h100',
  roleId,
  nodes,
  gpusPerNode: 8,
  leastNodes: 0,
  moveMinutes: 10,
  usdPerNode: 0,
  ...change,
});
const PRICES = [30, 30, 30, 30, 30, 30];
const HOURS = 6;
const plan = (snapshot: Snapshot): Plan => planWith(highs, snapshot, shortForecast(PRICES, 60));

async function move(snapshot: Snapshot, roles: readonly RoleFacts[]) {
  return bestRoleMove(roles, snapshot, plan(snapshot), async (other) => plan(other));
}
const site = (...all: WorkFacts[]): Snapshot => bareSnapshot({ work: all, halls: [bareHall('a')] });

test('nodes leave the role whose GPUs idle for the one whose jobs wait, as many as earn more', async () => {
  // 40 GPUs of 64 idle in training, 16 more are wanted for inference: two nodes, and a third would idle there as well.
  const snapshot = site(work('train', 24, 64, 2), work('infer', 48, 32, 2.5));
  const found = await move(snapshot, [role('train', 8), role('infer', 4)]);
  expect(found).toMatchObject({ from: 'train', to: 'infer', nodes: 2, clusterId: 'hpc' });
  // Sixteen GPUs for six hours, less the power they draw.
  const powerUsd = 16 * 0.0006 * 30 * HOURS;
  expect(found!.gainUsd).toBeCloseTo(16 * 2.5 * HOURS - powerUsd, 0);
  expect(found!.costUsd).toBeCloseTo((16 * 2.5 * 10) / 60, 6);
  expect(found!.why).toMatch(
    /^2 h100 nodes from train to infer earn \$\d+\.\d\d more in 6 h, and moving costs \$6\.67$/,
  );
});

test('GPUs that work are moved only where the other role pays clearly more than both the work and the move', async () => {
  const roles = [role('train', 8), role('infer', 4)];
  const full = (usd: number) => site(work('train', 64, 64, 2), work('infer', 48, 32, usd));
  expect(await move(full(2), roles)).toBeUndefined();
  expect(await move(full(2.05), roles)).toBeUndefined();
  expect(await move(full(3), roles)).toMatchObject({ from: 'train', to: 'infer' });
  const dear = roles.map((one) => ({ ...one, usdPerNode: 100 }));
  expect(await move(full(3), dear)).toBeUndefined();
});

test('a role keeps its least, and no other part or cluster stands in', async () => {
  const snapshot = site(work('train', 0, 64, 2), work('infer', 48, 32, 2.5));
  expect(await move(snapshot, [role('train', 8, { leastNodes: 8 }), role('infer', 4)])).toBeUndefined();
  expect(await move(snapshot, [role('train', 8, { leastNodes: 7 }), role('infer', 4)])).toMatchObject({ nodes: 1 });
  expect(await move(snapshot, [role('train', 8, { clusterId: 'other' }), role('infer', 4)])).toBeUndefined();
  expect(await move(snapshot, [role('train', 8, { gpuModel: 'a100' }), role('infer', 4)])).toBeUndefined();
});

test('spare nodes, which no class runs on, come first where a role has none at all', async () => {
  const snapshot = site(work('infer', 16, 0, 2.5));
  expect(await move(snapshot, [role('spare', 4), role('infer', 0)])).toMatchObject({ from: 'spare', to: 'infer' });
});

test('whatever the site: what is proposed earns more when it is planned again, and leaves a role its least', async () => {
  const some = fc.record({ wanted: fc.integer({ min: 0, max: 80 }), nodes: fc.integer({ min: 0, max: 8 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(some, some, some),
      fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 5, max: 40 }))),
      fc.integer({ min: 0, max: 3 }),
      async (sizes, tenths, leastNodes) => {
        const names = ['train', 'infer', 'sim'];
        const snapshot = site(
          ...sizes.map(({ wanted, nodes }, i) => work(names[i]!, wanted, nodes * 8, tenths[i]! / 10)),
        );
        const roles = sizes.map(({ nodes }, i) => role(names[i]!, nodes, { leastNodes }));
        const found = await move(snapshot, roles);
        if (found === undefined) return;
        const from = roles.find(({ roleId }) => roleId === found.from)!;
        expect(from.nodes - found.nodes).toBeGreaterThanOrEqual(leastNodes);
        const then = snapshot.work.map((one) => ({
          ...one,
          partGpus: one.partGpus + 8 * found.nodes * (Number(one.id === found.to) - Number(one.id === found.from)),
        }));
        const gain = plan({ ...snapshot, work: then }).objectiveUsd - plan(snapshot).objectiveUsd;
        expect(gain).toBeCloseTo(found.gainUsd, 4);
        expect(gain).toBeGreaterThan(found.costUsd);
      },
    ),
    { numRuns: 40, interruptAfterTimeLimit: 20_000 },
  );
});
