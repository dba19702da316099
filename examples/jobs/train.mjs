/**
 * A small neural network that learns to tell two spirals apart: plain Node, no GPU, no package. It keeps a checkpoint every
 * few seconds, at SIGUSR1 and at SIGTERM, and goes on from it where the scheduler starts it again: a job that gives way loses seconds.
 *
 *   node train.mjs --folder CHECKPOINTS [--epochs 600] [--every-s 5] [--pause-ms 0]
 *
 * Each line it prints is JSON. Exit code 0: all epochs done and at least 97 % of points it never saw are told right;
 * 1: fewer; 143: stopped by SIGTERM after a checkpoint.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.' },
    epochs: { type: 'string', default: '600' },
    'every-s': { type: 'string', default: '5' },
    'pause-ms': { type: 'string', default: '0' },
  },
});
const epochs = Number(values.epochs);
const everyMs = Number(values['every-s']) * 1000;
const pauseMs = Number(values['pause-ms']);
const TARGET = 0.97;
const HIDDEN = 24;
const BATCH = 20;
const LEARNING_RATE = 0.01;

const say = (event, more) => console.log(JSON.stringify({ event, ...more }));

/** Mulberry32: its whole state is one number, and so part of a checkpoint. */
function random(state) {
  state.seed = (state.seed + 0x6d2b79f5) | 0;
  let t = Math.imul(state.seed ^ (state.seed >>> 15), 1 | state.seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
}

/** Points of two arms that wind once around each other, and which arm each is of. */
function spirals(count, seed) {
  const state = { seed };
  return Array.from({ length: count }, (_, i) => {
    const arm = i % 2;
    const along = 0.15 + 0.85 * random(state);
    const angle = along * 2 * Math.PI + arm * Math.PI;
    const noise = () => 0.04 * (random(state) - 0.5);
    return { x: [along * Math.cos(angle) + noise(), along * Math.sin(angle) + noise()], arm };
  });
}
const train = spirals(400, 1);
const unseen = spirals(400, 2);

/** Two hidden layers; each weight has its two running means, as Adam keeps them. */
function freshModel() {
  const state = { seed: 7 };
  const layer = (inputs, outputs) =>
    Array.from({ length: outputs * (inputs + 1) }, () => (random(state) - 0.5) * 2 * Math.sqrt(3 / inputs));
  const layers = [layer(2, HIDDEN), layer(HIDDEN, HIDDEN), layer(HIDDEN, 1)];
  const zeros = () => layers.map((weights) => weights.map(() => 0));
  return { epoch: 0, steps: 0, order: { seed: 99 }, layers, means: zeros(), squares: zeros() };
}

const SIZES = [
  [2, HIDDEN],
  [HIDDEN, HIDDEN],
  [HIDDEN, 1],
];

/** @returns what each layer gives, the input first */
function forward({ layers }, x) {
  const given = [x];
  for (const [l, weights] of layers.entries()) {
    const [inputs, outputs] = SIZES[l];
    const before = given[l];
    given.push(
      Array.from({ length: outputs }, (_, o) => {
        const at = o * (inputs + 1);
        let sum = weights[at + inputs];
        for (let i = 0; i < inputs; i += 1) sum += weights[at + i] * before[i];
        return l === layers.length - 1 ? 1 / (1 + Math.exp(-sum)) : Math.tanh(sum);
      }),
    );
  }
  return given;
}

function backward({ layers }, given, arm, gradients) {
  let delta = [given[3][0] - arm];
  for (let l = layers.length - 1; l >= 0; l -= 1) {
    const [inputs, outputs] = SIZES[l];
    const before = given[l];
    const next = before.map(() => 0);
    for (let o = 0; o < outputs; o += 1) {
      const at = o * (inputs + 1);
      for (let i = 0; i < inputs; i += 1) {
        gradients[l][at + i] += delta[o] * before[i];
        next[i] += delta[o] * layers[l][at + i];
      }
      gradients[l][at + inputs] += delta[o];
    }
    delta = next.map((value, i) => value * (1 - before[i] * before[i]));
  }
}

/** One step of Adam (Kingma and Ba, 2015) on a batch. */
function learn(model, batch) {
  const gradients = model.layers.map((weights) => weights.map(() => 0));
  for (const { x, arm } of batch) backward(model, forward(model, x), arm, gradients);
  model.steps += 1;
  for (const [l, weights] of model.layers.entries())
    for (let i = 0; i < weights.length; i += 1) {
      const g = gradients[l][i] / batch.length;
      const mean = (model.means[l][i] = 0.9 * model.means[l][i] + 0.1 * g);
      const square = (model.squares[l][i] = 0.999 * model.squares[l][i] + 0.001 * g * g);
      const unbiased = mean / (1 - 0.9 ** model.steps);
      weights[i] -= (LEARNING_RATE * unbiased) / (Math.sqrt(square / (1 - 0.999 ** model.steps)) + 1e-8);
    }
}

function runEpoch(model) {
  const order = train.map((point) => ({ point, at: random(model.order) })).sort((a, b) => a.at - b.at);
  for (let i = 0; i < order.length; i += BATCH)
    learn(
      model,
      order.slice(i, i + BATCH).map(({ point }) => point),
    );
  model.epoch += 1;
}

const accuracyOn = (model, points) =>
  points.filter(({ x, arm }) => forward(model, x)[3][0] > 0.5 === (arm === 1)).length / points.length;

mkdirSync(values.folder, { recursive: true });
const file = join(values.folder, 'checkpoint.json');
/** In whole or not at all: a job may be killed while it writes. */
function keep(model) {
  writeFileSync(`${file}.new`, JSON.stringify(model));
  renameSync(`${file}.new`, file);
  say('checkpoint', { epoch: model.epoch });
}
function load() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

let stopping = false;
process.on('SIGTERM', () => (stopping = true));
let asked = false;
process.on('SIGUSR1', () => (asked = true));

const kept = load();
const model = kept ?? freshModel();
say(kept === undefined ? 'start' : 'resume', { epoch: model.epoch });
let keptAt = performance.now();
while (model.epoch < epochs) {
  runEpoch(model);
  await pause(pauseMs);
  if (stopping) {
    keep(model);
    say('stopped', { epoch: model.epoch });
    process.exit(143);
  }
  if (!asked && performance.now() - keptAt < everyMs) continue;
  keep(model);
  asked = false;
  keptAt = performance.now();
}
keep(model);
const accuracy = accuracyOn(model, unseen);
say('done', { epoch: model.epoch, accuracy, target: TARGET });
process.exitCode = accuracy >= TARGET ? 0 : 1;
