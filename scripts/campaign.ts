/**
 * A campaign of faults on an emulated site, with everything in processes of its own: the server, the guard and the solver are killed and
 * stand still, meters, machines, feeds and whole halls fall silent, prices spike, the clock jumps, the disk is full, supply is lost.
 *
 *   npm run campaign -- [--hours 2] [--seed 1] [--speed 10] [--faults 500]
 *
 * Ends with 1 where a rule was broken. Two hours take twelve minutes of the wall at speed 10.
 */
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign/run.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    speed: { type: 'string', default: '10' },
    faults: { type: 'string' },
  },
});
const number = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} wants a number above 0, and got "${text}"`);
  return value;
};
const hours = number('hours', values.hours);
const report = await runCampaign({
  hours,
  seed: number('seed', values.seed),
  speed: number('speed', values.speed),
  faults: values.faults === undefined ? Math.ceil(250 * hours) : number('faults', values.faults),
  offset: 14_900,
  say: (text) => process.stderr.write(`${text}\n`),
});
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
if (report.broken.length > 0) process.exitCode = 1;
