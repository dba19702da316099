/** A million damaged answers for each driver: no crash, no hang, no nonsense, no zero that nobody sent. */
import { parseArgs } from 'node:util';
import { drivers } from '../src/drivers/index.ts';
import { fuzzDriver } from '../test/support/fuzz.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    driver: { type: 'string' },
  },
});
const wanted = drivers.filter(({ name }) => values.driver === undefined || name === values.driver);
if (wanted.length === 0) throw new Error(`no driver ${values.driver}`);
for (const { name } of wanted) {
  const started = performance.now();
  const report = await fuzzDriver(name, Number(values.runs), Number(values.seed));
  console.log(
    JSON.stringify({ driver: name, ...report, seconds: Math.round((performance.now() - started) / 100) / 10 }),
  );
  if (report.wrong.length > 0) process.exitCode = 1;
}
