import type { WorkPoint } from '../model/index.ts';
import type { Columns } from './constraint.ts';
import type { Decision, Problem, ProblemWork } from './problem.ts';

/** GPUs of one class at a point of its curve. */
export interface AtPoint {
  readonly gpus: number;
  readonly point: WorkPoint;
}

const atFullPower = ({ facts }: ProblemWork): WorkPoint => ({
  powerLimitW: Infinity,
  marginalW: facts.marginalWPerGpu,
  throughput: 1,
  paid: 1,
  serves: true,
});

/** At which points the GPUs of class `i` work. A decision that does not say has them at full power. */
export function atPoints({ work }: Problem, { gpus, gpusAt }: Decision, i: number): AtPoint[] {
  const { points } = work[i]!;
  if (points.length === 0) return [{ gpus: gpus[i]!, point: atFullPower(work[i]!) }];
  const counts = gpusAt?.[i] ?? points.map((_, p) => (p === points.length - 1 ? gpus[i]! : 0));
  return points.map((point, p) => ({ gpus: counts[p]!, point }));
}

/** Columns of the working GPUs of class `i` in step `t`, each times what `by` makes of its point. */
export function gpuTerms(
  work: ProblemWork,
  columns: Columns,
  t: number,
  i: number,
  by: (point: WorkPoint) => number,
): [column: number, by: number][] {
  if (work.points.length === 0) return [[columns.gpus[t]![i]!, by(atFullPower(work))]];
  return work.points.map((point, p) => [columns.gpusAt[t]![i]![p]!, by(point)]);
}

const sumOf = (at: readonly AtPoint[], of: (point: WorkPoint) => number): number =>
  at.reduce((sum, { gpus, point }) => sum + gpus * of(point), 0);

/** What the working GPUs of class `i` draw beyond idle ones. */
export function workW(problem: Problem, decision: Decision, i: number): number {
  const { points, facts } = problem.work[i]!;
  if (points.length === 0) return facts.marginalWPerGpu * decision.gpus[i]!;
  return sumOf(atPoints(problem, decision, i), ({ marginalW }) => marginalW);
}

/** GPUs of class `i` that are paid for, a slowed one in part. */
export const paidGpus = (problem: Problem, decision: Decision, i: number): number =>
  sumOf(atPoints(problem, decision, i), ({ paid }) => paid);

/** GPUs of class `i` by what they do: a slowed one is a part of one. */
export const doneGpus = (problem: Problem, decision: Decision, i: number): number =>
  sumOf(atPoints(problem, decision, i), ({ throughput }) => throughput);

/** GPUs of class `i` that count among those a contract reserves. */
export const servingGpus = (problem: Problem, decision: Decision, i: number): number =>
  sumOf(atPoints(problem, decision, i), ({ serves }) => Number(serves));

/** GPUs by power limit in W, of each class that has a curve; undefined where none has. */
export function gpusAtLimitW(problem: Problem, decision: Decision): Record<string, Record<string, number>> | undefined {
  if (problem.work.every(({ points }) => points.length === 0)) return undefined;
  return Object.fromEntries(
    problem.work.flatMap(({ facts, points }, i) =>
      points.length === 0
        ? []
        : [
            [
              facts.id,
              Object.fromEntries(
                atPoints(problem, decision, i).flatMap(({ gpus, point }) =>
                  gpus === 0 ? [] : [[String(point.powerLimitW), gpus]],
                ),
              ),
            ],
          ],
    ),
  );
}
