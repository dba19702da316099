import { expect, test } from 'vitest';
import { QUARTER, siteMs, type Interval, type Site } from '../model/index.ts';
import { BILLED_QUARTERS } from './billing.ts';
import { createWantedHistory, wantedClasses } from './wanted.ts';

const START = Date.UTC(2026, 4, 1);
const interval = (i: number, gpus: number | undefined): Interval =>
  ({
    start: siteMs(START + i * QUARTER),
    ...(gpus === undefined ? {} : { wanted: [{ workClass: 'chat', gpus, coverage: 0.9 }] }),
  }) as unknown as Interval;

test('what was wanted goes on from the books as they are, in order; what nobody saw is absent, and the oldest goes', () => {
  const history = createWantedHistory([interval(2, 30), interval(0, 10), interval(1, undefined)]);
  history.booked(interval(3, 40));
  expect(history.of('chat')).toEqual([
    { start: START, gpus: 10, coverage: 0.9 },
    { start: START + 2 * QUARTER, gpus: 30, coverage: 0.9 },
    { start: START + 3 * QUARTER, gpus: 40, coverage: 0.9 },
  ]);
  expect(history.of('other')).toEqual([]);
  for (let i = 4; i < BILLED_QUARTERS + 10; i += 1) history.booked(interval(i, i));
  expect(history.of('chat')).toHaveLength(BILLED_QUARTERS);
  expect(history.of('chat').at(-1)!.gpus).toBe(BILLED_QUARTERS + 9);
});

test('classes come with what they are, and with a history of their own', () => {
  const deadline = { gpuHours: 1 };
  const site = {
    clusters: [
      {
        classes: [
          { id: 'chat', class: 'on-demand' },
          { id: 'batch', class: 'batch', deadline },
        ],
      },
    ],
  };
  expect(wantedClasses(site as unknown as Site, createWantedHistory([interval(0, 10)]))).toEqual([
    { id: 'chat', className: 'on-demand', hasDeadline: false, history: [{ start: START, gpus: 10, coverage: 0.9 }] },
    { id: 'batch', className: 'batch', hasDeadline: true, history: [] },
  ]);
});
