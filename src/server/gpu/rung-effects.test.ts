import { expect, test } from 'vitest';
import { MINUTE, siteMs, type Job, type SiteMs } from '../../model/index.ts';
import { createRungEffects } from './rung-effects.ts';

const job = { gpuModel: 'h100' } as Job;
function open(before?: string) {
  let now = siteMs(0);
  let told: { at: SiteMs; powerW: number } | 'taken' | undefined;
  const effects = createRungEffects({ freeW: () => told }, () => now, before);
  return {
    effects,
    begin: () => effects.begin('requeue', job, [{ machineId: 'm1', of: [0, 1], powerW: 1200 }]),
    see(seconds: number, what: number | 'taken' | undefined) {
      now = siteMs(now + seconds * 1000);
      told = typeof what === 'number' ? { at: now, powerW: what } : what;
      effects.look();
    },
  };
}

test('watts and seconds are learned from what was seen, and known after a restart', () => {
  const site = open();
  for (const seconds of [30, 40, 50]) {
    site.begin();
    site.see(10, 'taken');
    // It still empties its queues.
    site.see(5, 1100);
    site.see(seconds - 15, 200);
  }
  const learned = { wattsPerGpu: 500, seconds: 40, measured: 3 };
  expect(site.effects.of('requeue', 'h100')).toEqual(learned);
  expect(open(site.effects.kept()).effects.of('requeue', 'h100')).toEqual(learned);
  expect(site.effects.kept()).toBeUndefined();
});

test('too few, GPUs that somebody else took, and what comes late teach nothing', () => {
  const site = open();
  site.begin();
  site.see(30, 200);
  expect(site.effects.of('requeue', 'h100')).toBeUndefined();
  expect(site.effects.all()).toMatchObject([{ measured: 1 }]);
  site.begin();
  for (let minutes = 0; minutes < 16; minutes += 1) site.see(MINUTE / 1000, 'taken');
  site.see(10, 200);
  site.begin();
  site.see(60, undefined);
  expect(site.effects.all()).toMatchObject([{ measured: 1 }]);
});
