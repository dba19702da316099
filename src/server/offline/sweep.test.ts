import { expect, test } from 'vitest';
import { curveYaml, readSweep } from './sweep.ts';

const HEADER = 'power_limit_w,power_w,seconds_per_epoch\n';

test('a sweep becomes a part of a site file', () => {
  const rows = readSweep(`${HEADER}300,218.9,8.525\n100,106.9,27.13\n150,141.6,11.09\n`, 'sweep.csv');
  expect(curveYaml(rows, 'sweep.csv')).toBe(
    [
      'powerCurve:',
      '  - { powerLimitW: 100, powerW: 106.9, throughputPct: 31.42 }',
      '  - { powerLimitW: 150, powerW: 141.6, throughputPct: 76.87 }',
      '  - { powerLimitW: 300, powerW: 218.9, throughputPct: 100 }',
      '',
    ].join('\n'),
  );
});

test.each([
  [
    'another header',
    'limit,power,time\n',
    'sweep.csv:1: found "limit,power,time", expected the header "power_limit_w,power_w,seconds_per_epoch"',
  ],
  ['nothing', '', 'sweep.csv:1: found "", expected the header "power_limit_w,power_w,seconds_per_epoch"'],
  ['a missing cell', `${HEADER}100,90,10\n\n150,120\n`, 'sweep.csv:4: found 2 columns, expected 3'],
  ['an empty cell', `${HEADER}100,,10\n`, 'sweep.csv:2: found "" as power_w, expected a number above 0'],
  [
    'a time of nothing',
    `${HEADER}100,90,0\n`,
    'sweep.csv:2: found "0" as seconds_per_epoch, expected a number above 0',
  ],
  ['a quote that does not end', `${HEADER}"100,90,0\n`, /^sweep\.csv: not CSV/],
])('%s is told with its line', (_, text, message) => expect(() => readSweep(text, 'sweep.csv')).toThrow(message));

test('a limit that changes nothing makes no curve', () => {
  const rows = readSweep(`${HEADER}100,60,10\n300,60.5,10\n`, 'sweep.csv');
  expect(() => curveYaml(rows, 'sweep.csv')).toThrow('sweep.csv: found no limit that slows the work down');
});
