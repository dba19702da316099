import { mkdtempSync, copyFileSync, existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { garble } from './faults.ts';
import { isLoopback } from './net.ts';
import { at, calmConfig, CALM, cgminer, talk, testSim, UNIX_START, type TestSim } from './small-site.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-sim-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('only peers on loopback are spoken to', () => {
  expect(['127.0.0.1', '127.255.3.9'].every(isLoopback)).toBe(true);
  const foreign = ['10.0.0.1', '192.168.127.1', '::1', '::ffff:127.0.0.1', '1127.0.0.1', '', undefined];
  expect(foreign.filter(isLoopback)).toEqual([]);
});

test('every way of garbling breaks a JSON reply', () => {
  const text = JSON.stringify({ STATUS: [{ Code: 11 }], STATS: [{ a: 1 }, { b: 2.5 }], id: 1 });
  for (const way of [0, 1, 2, 3]) expect(() => JSON.parse(garble(text, way)) as unknown).toThrow(/JSON/);
  expect(garble(text, 0)).toContain('}{');
  expect(garble(text, 1)).toContain(',}');
  expect(garble(text, 2)).toContain('nan');
});

test('injected faults reach a machine, a group, a hall, a meter and the cluster, and are cleared', async () => {
  const t = await testSim(21_060);
  try {
    const ask = (host: string) => talk(host, t.sim.ports.cgminer, '{"command":"version"}', 150);
    expect(t.sim.inject({ target: 'lux-0001', fault: 'silent' })).toBe(1);
    expect((await ask('127.21.1.1')).end).toBe('silent');
    expect((await ask('127.21.1.2')).bytes.length).toBeGreaterThan(100);
    expect(t.sim.inject({ target: 'lux-k', fault: 'refused' })).toBe(4);
    expect((await ask('127.21.2.4')).end).toBe('reset');
    expect(t.sim.inject({ target: 'stock', fault: 'garbled' })).toBe(6);
    await expect(cgminer(t.sim, '127.21.3.1', 'version')).rejects.toThrow(/JSON/);
    expect(t.sim.inject({ target: 'm', fault: 'clear' })).toBe(16);
    expect((await ask('127.21.2.4')).bytes.length).toBeGreaterThan(100);
    expect(t.sim.inject({ target: 'slurm', fault: 'silent' })).toBe(1);
    expect(t.sim.inject({ target: 'feeder', fault: 'dead' })).toBe(1);
    expect((await talk('127.21.9.1', t.sim.ports.modbus, Buffer.alloc(12), 100)).end).toBe('silent');
    expect(t.sim.inject({ target: 'nowhere', fault: 'silent' })).toBe(0);
    t.sim.inject({ target: 'lux-0002', fault: 'dead' });
    t.pass(2);
    expect(t.sim.world.miners.state.powerW[1]).toBe(0);
    expect(t.sim.truth().machines.dead).toBe(1);
  } finally {
    await t.sim.close();
  }
});

test('a killed site goes on where it was: counters, curtailed miners, jobs, down to the last command', async () => {
  const path = join(folder, 'killed');
  const t = await testSim(21_070, { statePath: path });
  t.pass(100);
  const logon = (await cgminer(t.sim, '127.21.1.1', 'logon')) as { SESSION?: { SessionID: string }[] };
  await cgminer(t.sim, '127.21.1.1', 'curtail', `${logon.SESSION![0]!.SessionID},sleep`);
  t.pass(50);
  t.sim.trip('g');
  t.pass(7);
  // What is on the disk now is what a kill would leave: the snapshot of the start and the journal.
  const killed = join(folder, 'left');
  copyFileSync(path, killed);
  copyFileSync(`${path}.journal`, `${killed}.journal`);
  const before = t.sim.truth();
  t.pass(193);
  const uninterrupted = t.sim.truth();
  await t.sim.close();

  const later = UNIX_START + 350_000;
  const again = await testSim(21_080, { statePath: killed, unixNow: () => later });
  try {
    const after = again.sim.truth();
    expect(after.feederWh).toBeGreaterThan(before.feederWh);
    expect(after).toEqual(uninterrupted);
    expect(again.sim.world.miners.state.curtailed[0]).toBe(1);
    expect(after.halls['g']!.breakerOpen).toBe(true);
  } finally {
    await again.sim.close();
  }
});

test('a clean stop leaves a state file that a start goes on from, time away included', async () => {
  const path = join(folder, 'clean');
  const t = await testSim(21_090, { statePath: path });
  t.pass(600);
  const before = t.sim.truth();
  await t.sim.close();
  expect(existsSync(path)).toBe(true);
  const later = UNIX_START + 4_200_000;
  const again = await testSim(21_090, { statePath: path, unixNow: () => later });
  const after = again.sim.truth();
  await again.sim.close();
  const hours = 1;
  expect((after.feederWh - before.feederWh) / (before.feederW * hours)).toBeCloseTo(1, 1);
});

test('the state of another seed or site is refused', async () => {
  const path = join(folder, 'other');
  const t = await testSim(13_050, { statePath: path });
  await t.sim.close();
  await expect(testSim(13_070, { statePath: path, seed: 6 })).rejects.toThrow(/another site or seed/);
});

test('a write may be acknowledged and not carried out, or refused', async () => {
  const write = async (offset: number, requests: object) => {
    const t = await testSim(offset, { config: calmConfig({ requests: { ...CALM.requests, ...requests } }) });
    try {
      const logon = (await cgminer(t.sim, '127.21.1.1', 'logon')) as { SESSION?: { SessionID: string }[] };
      const reply = await cgminer(t.sim, '127.21.1.1', 'curtail', `${logon.SESSION![0]!.SessionID},sleep`);
      t.pass(30);
      return { status: at(reply, 'STATUS.0.STATUS'), powerW: t.sim.world.miners.state.powerW[0] };
    } finally {
      await t.sim.close();
    }
  };
  expect(await write(13_090, { writeIgnoredPct: 100 })).toEqual({ status: 'S', powerW: expect.closeTo(3500, -3) });
  expect(await write(13_100, { writeRefusedPct: 100 })).toEqual({ status: 'E', powerW: expect.closeTo(3500, -3) });
});

test('a dark machine says nothing and still draws, a dead one draws nothing', async () => {
  const failing = async (offset: number, failures: object) => {
    const config = calmConfig({ failures: { ...CALM.failures, ...failures } });
    const t = await testSim(offset, { config });
    try {
      t.pass(5);
      const { end } = await talk('127.21.1.1', t.sim.ports.cgminer, '{"command":"version"}', 100);
      return { end, powerW: t.sim.world.miners.state.powerW[0] };
    } finally {
      await t.sim.close();
    }
  };
  expect(await failing(21_170, { darkPct: 100 })).toEqual({ end: 'silent', powerW: expect.closeTo(3500, -3) });
  expect(await failing(21_180, { deadPct: 100 })).toEqual({ end: 'silent', powerW: 0 });
});

test('request faults come at about the stated rate', async () => {
  const config = calmConfig({
    requests: {
      garbledPct: 25,
      latePct: 0,
      refusedPct: 25,
      silentPct: 0,
      sentinelPct: 0,
      writeIgnoredPct: 0,
      writeRefusedPct: 0,
    },
  });
  const t: TestSim = await testSim(13_110, { config });
  try {
    let failed = 0;
    for (let k = 0; k < 20; k += 1) {
      t.pass(1);
      const replies = await Promise.all(
        [1, 2, 3, 4, 5, 6].map((n) =>
          cgminer(t.sim, `127.21.1.${n}`, 'version').then(
            () => true,
            () => false,
          ),
        ),
      );
      failed += replies.filter((ok) => !ok).length;
    }
    expect(failed).toBeGreaterThan(36);
    expect(failed).toBeLessThan(84);
  } finally {
    await t.sim.close();
  }
});
