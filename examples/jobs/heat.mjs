/**
 * Heat spreads along a rod whose ends are kept at zero: u_t = a u_xx on 0..1, u(x, 0) = sin(pi x), by the scheme of Crank
 * and Nicolson. Plain Node, no GPU, no package. The answer is known, u(x, t) = exp(-a pi^2 t) sin(pi x), and so is how
 * fast the error must shrink: by four when the mesh is halved. Both are checked.
 *
 *   node heat.mjs [--cells 400] [--steps 2000]
 *
 * Prints one line of JSON. Exit code 0: the answer is right; 1: it is not.
 */
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { cells: { type: 'string', default: '400' }, steps: { type: 'string', default: '2000' } },
});
const DIFFUSIVITY = 0.1;
const DURATION = 1;
const MOST_ERROR = 1e-5;

/** @returns the largest difference from the exact solution at the end, over the rod */
function maxError(cells, steps) {
  const dx = 1 / cells;
  const r = (DIFFUSIVITY * DURATION) / steps / (2 * dx * dx);
  const size = cells - 1;
  let u = Array.from({ length: size }, (_, i) => Math.sin(Math.PI * (i + 1) * dx));
  for (let step = 0; step < steps; step += 1) {
    const right = u.map((value, i) => r * (u[i - 1] ?? 0) + (1 - 2 * r) * value + r * (u[i + 1] ?? 0));
    u = solveTridiagonal(size, -r, 1 + 2 * r, right);
  }
  const decay = Math.exp(-DIFFUSIVITY * Math.PI ** 2 * DURATION);
  return u.reduce((most, value, i) => Math.max(most, Math.abs(value - decay * Math.sin(Math.PI * (i + 1) * dx))), 0);
}

/** The algorithm of Thomas, for one value on the diagonal and one beside it. */
function solveTridiagonal(size, beside, diagonal, right) {
  const upper = [];
  const value = [];
  for (let i = 0; i < size; i += 1) {
    const pivot = diagonal - beside * (upper[i - 1] ?? 0);
    upper.push(beside / pivot);
    value.push((right[i] - beside * (value[i - 1] ?? 0)) / pivot);
  }
  for (let i = size - 2; i >= 0; i -= 1) value[i] -= upper[i] * value[i + 1];
  return value;
}

const cells = Number(values.cells);
const steps = Number(values.steps);
const coarse = maxError(cells / 2, steps / 2);
const fine = maxError(cells, steps);
const order = Math.log2(coarse / fine);
const isRight = fine < MOST_ERROR && Math.abs(order - 2) < 0.05;
console.log(JSON.stringify({ cells, steps, maxError: fine, order, isRight }));
process.exitCode = isRight ? 0 : 1;
