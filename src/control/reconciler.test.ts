import { expect, test } from 'vitest';
import {
  Fault,
  modeFromKey,
  run,
  siteMs,
  SLEEP,
  wallMs,
  type FaultKind,
  type OperatingMode,
  type Reading,
} from '../model/index.ts';
import type { Desire, Handle } from './commands.ts';
import { createReconciler, type ReconcilerOptions } from './reconciler.ts';
import { isInMode, showsMode } from './seen.ts';

const POWER: Readonly<Record<string, number>> = { sleep: 25, low: 2000, normal: 3000 };
const HASH: Readonly<Record<string, number>> = { sleep: 0, low: 70, normal: 100 };
const expectMode = (key: string) =>
  POWER[key] === undefined ? undefined : { powerW: POWER[key], hashrateThs: HASH[key]! };

/** Machines that obey at once, unless a test says otherwise, on two clocks moved by hand. */
function bench(ids: readonly string[], more: Partial<ReconcilerOptions> & { handle?: Handle } = {}) {
  let site = 1_000_000;
  let wall = 5_000;
  const sent: string[] = [];
  const looks: string[] = [];
  const faults = new Map<string, FaultKind[]>();
  const act = (id: string, what: string) => async () => {
    sent.push(`${id} ${what}`);
    const fault = faults.get(id)?.shift();
    if (fault !== undefined) throw new Fault(fault, `as the test wants`);
  };
  const handleOf = (id: string): Handle => ({
    sleep: act(id, 'sleep'),
    wake: act(id, 'wake'),
    setMode: async (profile) => act(id, profile)(),
  });
  const targets = ids.map((id) => ({
    id,
    hallId: id[0]!,
    handle: more.handle ?? handleOf(id),
    expect: (mode: { kind: string; profile?: string }) => expectMode(mode.profile ?? 'sleep'),
  }));
  const { handle: _, ...options } = more;
  const reconciler = createReconciler(targets, {
    siteNow: () => siteMs(site),
    wallNow: () => wallMs(wall),
    trust: () => 'auto',
    mayIncrease: () => true,
    wakesPerMinute: () => 1_000,
    readSoon: (id) => looks.push(id),
    ...options,
  });
  const reading = (mode: string, more: Partial<Reading> = {}): Reading => ({
    at: siteMs(site),
    mode: modeFromKey(mode),
    powerW: POWER[mode],
    powerBasis: 'measured',
    hashrateThs: HASH[mode],
    ...more,
  });
  return {
    reconciler,
    sent,
    looks,
    faults,
    pass(ms: number, siteToo = ms) {
      wall += ms;
      site += siteToo;
    },
    see: (id: string, mode: string, more: Partial<Reading> = {}) => reconciler.observe(id, reading(mode, more)),
    want: (modes: Readonly<Record<string, string>>, actId = 'p1') =>
      reconciler.want(
        new Map(Object.entries(modes).map(([id, mode]): [string, Desire] => [id, { mode, actId, who: 'w', why: 'y' }])),
      ),
    async tick() {
      reconciler.tick();
      await new Promise(setImmediate);
    },
    stage: (id: string) => reconciler.commandOf(id)?.stage,
  };
}

test('a machine already seen in the wanted mode gets no command', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'normal' });
  await b.tick();
  await b.tick();
  expect(b.sent).toEqual([]);
  expect(b.reconciler.commandOf('a1')).toBeUndefined();
});

test('nothing is commanded before a machine was read, nor while it does not say its mode', async () => {
  const b = bench(['a1']);
  b.want({ a1: 'sleep' });
  await b.tick();
  expect(b.sent).toEqual([]);
  b.reconciler.observe('a1', { at: siteMs(1_000_000), powerW: 3_000 });
  await b.tick();
  expect(b.sent).toEqual([]);
  b.see('a1', 'normal');
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep']);
});

test('sent, acknowledged, seen in power by a reading newer than the acknowledgement, then at the meter', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  b.reconciler.tick();
  expect(b.stage('a1')).toBe('sent');
  expect(b.reconciler.inFlight()).toBe(1);
  await new Promise(setImmediate);
  expect(b.stage('a1')).toBe('acknowledged');
  b.see('a1', 'sleep');
  expect(b.stage('a1')).toBe('acknowledged');
  b.reconciler.confirmAtMeter('p1', 'a');
  expect(b.stage('a1')).toBe('acknowledged');
  b.pass(1_000);
  b.see('a1', 'sleep');
  expect(b.stage('a1')).toBe('seen-in-power');
  b.reconciler.confirmAtMeter('p1', 'b');
  b.reconciler.confirmAtMeter('p0', 'a');
  expect(b.stage('a1')).toBe('seen-in-power');
  b.reconciler.confirmAtMeter('p1', 'a');
  const command = b.reconciler.commandOf('a1')!;
  expect(command.stage).toBe('seen-at-meter');
  expect([command.sentAt, command.acknowledgedAt, command.seenInPowerAt, command.seenAtMeterAt]).toEqual([
    1_000_000, 1_000_000, 1_001_000, 1_001_000,
  ]);
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep']);
});

test('the word of a machine is not enough where its watts say otherwise', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  b.pass(1_000);
  b.see('a1', 'sleep', { powerW: 2_900 });
  expect(b.stage('a1')).toBe('acknowledged');
});

test('acknowledged and never seen: looked at again, then failed by timeout and told again', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  b.pass(800);
  await b.tick();
  expect(b.looks).toEqual(['a1']);
  // Long on one clock alone is no reason to give up.
  b.pass(1_000, 20 * 60_000);
  b.see('a1', 'normal');
  await b.tick();
  expect(b.stage('a1')).toBe('acknowledged');
  b.pass(20_000, 0);
  await b.tick();
  expect(b.reconciler.commandOf('a1')).toMatchObject({ stage: 'failed', fault: 'timeout', attempts: 1 });
  b.pass(2_000);
  b.see('a1', 'normal');
  await b.tick();
  expect(b.reconciler.commandOf('a1')).toMatchObject({ stage: 'acknowledged', attempts: 2, batchId: 'p1' });
  expect(b.sent).toEqual(['a1 sleep', 'a1 sleep']);
});

test('what may mend itself is tried again after 2, 6 and 20 s, then much later; the hopeless at once much later', async () => {
  const pauses = async (kind: FaultKind): Promise<number[]> => {
    const b = bench(['a1']);
    b.faults.set(
      'a1',
      Array.from({ length: 9 }, () => kind),
    );
    b.see('a1', 'normal');
    b.want({ a1: 'sleep' });
    await b.tick();
    const seen: number[] = [];
    for (let s = 0, last = 0; s < 400 && seen.length < 4; s += 1) {
      b.pass(1_000);
      const before = b.sent.length;
      await b.tick();
      if (b.sent.length === before) continue;
      seen.push(s + 1 - last);
      last = s + 1;
    }
    return seen;
  };
  for (const kind of ['unreachable', 'timeout', 'garbled'] as const)
    expect(await pauses(kind)).toEqual([2, 6, 20, 120]);
  for (const kind of ['refused', 'unauthorised', 'unsupported'] as const)
    expect((await pauses(kind)).slice(0, 2)).toEqual([120, 120]);
});

test('a fault asks for a fresh look', async () => {
  const b = bench(['a1']);
  b.faults.set('a1', ['refused']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  expect(b.looks).toEqual(['a1']);
  expect(b.reconciler.commandOf('a1')).toMatchObject({ stage: 'failed', fault: 'refused' });
});

test('a new wish supersedes an open command and is sent without waiting for it', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  const first = b.reconciler.commandOf('a1')!;
  b.reconciler.drainChanged();
  b.want({ a1: 'low' }, 'p2');
  expect(b.reconciler.drainChanged()).toMatchObject([{ id: first.id, stage: 'superseded' }]);
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep', 'a1 low']);
  expect(b.reconciler.commandOf('a1')).toMatchObject({ batchId: 'p2', mode: 'low', stage: 'acknowledged' });
});

test('a wake that is overtaken is called back at once, though the last reading still shows sleep', async () => {
  const b = bench(['a1']);
  b.see('a1', 'sleep');
  b.want({ a1: 'normal' });
  await b.tick();
  b.want({ a1: 'sleep' }, 'p2');
  await b.tick();
  expect(b.sent).toEqual(['a1 normal', 'a1 sleep']);
  b.pass(5_000);
  b.see('a1', 'sleep');
  expect(b.stage('a1')).toBe('seen-in-power');
  await b.tick();
  expect(b.sent).toHaveLength(2);
});

test('the same wish of a later plan keeps the act and the command it has', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  b.want({ a1: 'sleep' }, 'p2');
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep']);
  expect(b.reconciler.desired('a1')?.actId).toBe('p1');
});

test('a machine that leaves the wishes (held by a person) is left as it is', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  b.want({});
  await b.tick();
  expect(b.sent).toEqual([]);
  expect(b.reconciler.desired('a1')).toBeUndefined();
});

test('decreases go before increases, and a full pipe lets the increases wait', async () => {
  const b = bench(['a1', 'a2', 'a3', 'a4'], { maxInFlight: 2 });
  b.see('a1', 'sleep');
  b.see('a2', 'normal');
  b.see('a3', 'low');
  b.see('a4', 'normal');
  b.want({ a1: 'normal', a2: 'sleep', a3: 'normal', a4: 'low' });
  await b.tick();
  expect(b.sent).toEqual(['a2 sleep', 'a4 low']);
  await b.tick();
  expect(b.sent.slice(2).sort()).toEqual(['a1 normal', 'a3 normal']);
});

test('nothing is raised while there is no room; what lowers the draw is never asked', async () => {
  const asked: [string, string, number][] = [];
  let room = false;
  const b = bench(['a1', 'a2'], {
    mayIncrease: (id, hallId, deltaW) => {
      asked.push([id, hallId, deltaW]);
      return room;
    },
  });
  b.see('a1', 'sleep');
  b.see('a2', 'normal');
  b.want({ a1: 'normal', a2: 'sleep' });
  await b.tick();
  expect(b.sent).toEqual(['a2 sleep']);
  expect(asked).toEqual([['a1', 'a', 2_975]]);
  room = true;
  await b.tick();
  expect(b.sent).toEqual(['a2 sleep', 'a1 normal']);
});

test('each hall wakes no more machines a minute than it may; a change of point is no wake', async () => {
  const ids = ['a', 'b'].flatMap((hall) => Array.from({ length: 40 }, (_, i) => `${hall}${i}`));
  const b = bench([...ids, 'a-run'], { wakesPerMinute: (hall) => (hall === 'a' ? 10 : 60) });
  for (const id of ids) b.see(id, 'sleep');
  b.see('a-run', 'low');
  b.want(Object.fromEntries([...ids, 'a-run'].map((id) => [id, 'normal'])));
  const woken = (hall: string) => b.sent.filter((line) => line.startsWith(hall) && !line.startsWith('a-run')).length;
  await b.tick();
  expect([woken('a'), woken('b')]).toEqual([1, 6]);
  expect(b.sent).toContain('a-run normal');
  for (let s = 0; s < 60; s += 1) {
    b.pass(1_000);
    await b.tick();
  }
  // One at once from the tenth of a minute saved up, then ten in a minute.
  expect([10, 11]).toContain(woken('a'));
  expect(woken('b')).toBe(40);
});

test('after an outage no PDU wakes more than its share of the hall, and a full hall costs a PDU nothing', async () => {
  const ids = Array.from({ length: 40 }, (_, i) => `a${i}`);
  const pduOf = (id: string) => ({ id: Number(id.slice(1)) < 30 ? 'full' : 'thin', wakesPerMinute: 5 });
  const b = bench(ids, { wakesPerMinute: () => 10, pduOf });
  for (const id of ids) b.see(id, 'sleep');
  b.want(Object.fromEntries(ids.map((id) => [id, 'normal'])));
  for (let s = 0; s < 120; s += 1) {
    b.pass(1_000);
    await b.tick();
  }
  const woken = b.sent.map((line) => pduOf(line.split(' ')[0]!).id);
  const count = (id: string) => woken.filter((one) => one === id).length;
  expect([9, 10, 11]).toContain(count('thin'));
  expect([9, 10, 11]).toContain(count('full'));
  expect(b.reconciler.skipped('a29')?.reason).toBe('pdu-rate');
});

test('a wake that found no room does not use up the wake rate', async () => {
  let room = false;
  const b = bench(['a1'], { wakesPerMinute: () => 10, mayIncrease: () => room });
  b.see('a1', 'sleep');
  b.want({ a1: 'normal' });
  for (let i = 0; i < 20; i += 1) await b.tick();
  room = true;
  await b.tick();
  expect(b.sent).toEqual(['a1 normal']);
});

test('in shadow nothing is written', async () => {
  const b = bench(['a1'], { trust: () => 'shadow' });
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  for (let i = 0; i < 5; i += 1) {
    b.pass(60_000);
    await b.tick();
  }
  expect(b.sent).toEqual([]);
  expect(b.reconciler.desired('a1')?.mode).toBe('sleep');
});

test('a machine whose driver lacks the method fails as unsupported', async () => {
  const cases = [
    ['sleep', 'normal', {}],
    ['low', 'normal', { sleep: async () => {} }],
    ['low', 'normal', { wake: async () => {} }],
  ] as const;
  for (const [wanted, seen, handle] of cases) {
    const b = bench(['a1'], { handle });
    b.see('a1', seen);
    b.want({ a1: wanted });
    await b.tick();
    expect(b.reconciler.commandOf('a1')).toMatchObject({ stage: 'failed', fault: 'unsupported' });
  }
});

test('a machine that knows no modes is woken with wake', async () => {
  let woken = 0;
  const b = bench(['a1'], { handle: { wake: async () => void (woken += 1) } });
  b.see('a1', 'sleep');
  b.want({ a1: 'normal' });
  await b.tick();
  expect(woken).toBe(1);
  expect(b.reconciler.commandOf('a1')).toMatchObject({ action: 'wake', stage: 'acknowledged' });
  expect(b.reconciler.lastChange('a1')).toEqual({ mode: 'normal', at: 1_000_000 });
});

test('changed commands are handed out once, as copies with who and why', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  const [command, ...more] = b.reconciler.drainChanged();
  expect(more).toEqual([]);
  expect(command).toMatchObject({ target: 'a1', action: 'sleep', who: 'w', why: 'y', stage: 'acknowledged' });
  expect(b.reconciler.drainChanged()).toEqual([]);
  b.pass(1_000);
  b.see('a1', 'sleep');
  expect(command!.stage).toBe('acknowledged');
});

test('estimated watts are no evidence: there the hashrate is', () => {
  const target = { expect: (mode: { kind: string; profile?: string }) => expectMode(mode.profile ?? 'sleep') };
  const reading = (mode: string, more: Partial<Reading>): Reading => ({
    at: siteMs(0),
    mode: modeFromKey(mode),
    powerBasis: 'estimated',
    ...more,
  });
  expect(showsMode(target, reading('sleep', { powerW: 0, hashrateThs: 90 }), 'sleep')).toBe(false);
  expect(showsMode(target, reading('sleep', { powerW: 3_000, hashrateThs: 0 }), 'sleep')).toBe(true);
  expect(showsMode(target, reading('sleep', {}), 'sleep')).toBe(false);
  expect(showsMode(target, reading('normal', { powerW: 3_000, hashrateThs: 50 }), 'normal')).toBe(false);
  expect(showsMode(target, reading('normal', { powerW: 10, hashrateThs: 61 }), 'normal')).toBe(true);
  expect(showsMode(target, reading('low', { powerW: 2_000, hashrateThs: 70 }), 'normal')).toBe(false);
});

test('wakes are counted, those of before the start too, and forgotten after a month', async () => {
  const b = bench(['a1', 'a2'], {
    wakesBefore: [
      { target: 'a1', at: siteMs(900_000) },
      { target: 'gone', at: siteMs(0) },
    ],
  });
  expect([b.reconciler.recentWakes('a1'), b.reconciler.recentWakes('a2')]).toEqual([1, 0]);
  b.see('a1', 'sleep');
  b.see('a2', 'normal');
  b.want({ a1: 'normal', a2: 'sleep' });
  await b.tick();
  expect([b.reconciler.recentWakes('a1'), b.reconciler.recentWakes('a2')]).toEqual([2, 0]);
  b.pass(1_000, 30 * 86_400_000 - 50_000);
  expect(b.reconciler.recentWakes('a1')).toBe(1);
});

test('each machine is written to as far as its own trust goes, asked before each write', async () => {
  const trust = new Map<string, 'shadow' | 'suggest' | 'auto'>([
    ['a1', 'auto'],
    ['a2', 'suggest'],
    ['a3', 'shadow'],
  ]);
  const b = bench(['a1', 'a2', 'a3'], { trust: (id) => trust.get(id)! });
  for (const id of trust.keys()) b.see(id, 'normal');
  b.want({ a1: 'sleep', a2: 'sleep', a3: 'sleep' });
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep']);
  // Confirmed by a person: in suggest it is done, in shadow not even then.
  const confirmed = { mode: 'sleep', actId: 'p2', who: 'ann', why: 'y', confirmed: true };
  b.reconciler.want(
    new Map([
      ['a2', confirmed],
      ['a3', confirmed],
    ]),
  );
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep', 'a2 sleep']);
  expect(b.reconciler.commandOf('a2')).toMatchObject({ who: 'ann', batchId: 'p2' });
  trust.set('a3', 'suggest');
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep', 'a2 sleep', 'a3 sleep']);
});

test('what is seen done is not overtaken by a wish that ends with it', async () => {
  const b = bench(['a1']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  b.pass(1_000);
  b.see('a1', 'sleep');
  b.want({});
  expect(b.stage('a1')).toBe('seen-in-power');
  b.reconciler.confirmAtMeter('p1', 'a');
  expect(b.stage('a1')).toBe('seen-at-meter');
});

test('every machine that is not as wanted has a reason, and one that is has none', async () => {
  let outletW: number | undefined;
  let room = true;
  const b = bench(['a1', 'a2', 'a3', 'a4', 'a5'], {
    mayIncrease: () => room,
    outletW: () => outletW,
    staleMs: 30_000,
    gate: ({ id, isWake }) => (id === 'a4' && isWake ? 'cooling' : undefined),
  });
  const reason = (id: string) => b.reconciler.skipped(id)?.reason;
  expect(reason('a1')).toBeUndefined();
  b.want({ a1: 'sleep', a2: 'normal', a3: 'sleep', a4: 'normal' });
  expect(['a1', 'a2'].map(reason)).toEqual(['unread', 'unread']);
  b.faults.set('a3', ['timeout']);
  for (const id of ['a1', 'a3']) b.see(id, 'normal');
  for (const id of ['a2', 'a4']) b.see(id, 'sleep');
  room = false;
  b.reconciler.tick();
  expect(reason('a1')).toBe('sent');
  await new Promise(setImmediate);
  expect(['a1', 'a2', 'a3', 'a4'].map(reason)).toEqual(['unproven', 'no-room', 'failed', 'cooling']);
  expect(b.reconciler.skipped('a1')?.words).toContain('in normal at 3000 W');
  expect(b.reconciler.skipped('a3')?.words).toContain('timeout at the first try');
  b.pass(1_000);
  b.see('a1', 'sleep');
  expect(reason('a1')).toBeUndefined();
  outletW = 3_100;
  expect(b.reconciler.skipped('a1')).toMatchObject({ reason: 'phantom', words: expect.stringContaining('3100 W') });
  outletW = 30;
  b.pass(31_000);
  expect(reason('a1')).toBe('stale');
  room = true;
  await b.tick();
  expect(reason('a2')).toBe('stale');
  expect(b.sent).not.toContain('a2 normal');
});

test('a machine whose answer was lost and that is seen to have obeyed is proved, and not told again', async () => {
  const b = bench(['a1']);
  b.faults.set('a1', ['timeout']);
  b.see('a1', 'normal');
  b.want({ a1: 'sleep' });
  await b.tick();
  expect(b.stage('a1')).toBe('failed');
  b.pass(3_000);
  b.see('a1', 'sleep');
  expect(b.reconciler.commandOf('a1')).toMatchObject({
    stage: 'seen-in-power',
    fault: 'timeout',
    seenInPowerAt: 1_003_000,
  });
  await b.tick();
  expect(b.sent).toEqual(['a1 sleep']);
});

test('a machine that no longer says its mode is told to shed, and nothing else', async () => {
  const b = bench(['a1', 'a2']);
  for (const id of ['a1', 'a2']) b.reconciler.observe(id, { at: siteMs(1_000_000), powerW: 3_000 });
  const desire = { mode: 'sleep', actId: 'p1', who: 'w', why: 'y' };
  b.reconciler.want(
    new Map<string, Desire>([
      ['a1', desire],
      ['a2', { ...desire, isShed: true }],
    ]),
  );
  await b.tick();
  expect(b.sent).toEqual(['a2 sleep']);
  expect(b.reconciler.skipped('a1')?.reason).toBe('unread');
});

test('as soon as a command has ended the next is sent, without waiting for a round of control', async () => {
  const ids = Array.from({ length: 40 }, (_, i) => `a${i}`);
  const b = bench(ids, { shedsInFlight: 2 });
  for (const id of ids) b.see(id, 'normal');
  b.want(Object.fromEntries(ids.map((id) => [id, 'sleep'])));
  b.reconciler.tick();
  expect(b.sent).toHaveLength(2);
  expect(b.reconciler.isShedding()).toBe(true);
  for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
  await new Promise(setImmediate);
  expect(b.sent).toHaveLength(40);
  expect(b.reconciler.isShedding()).toBe(false);
});

test('sheds are begun some at a time: a machine that takes several requests is not told after all those that take one', async () => {
  const order: string[] = [];
  const ids = Array.from({ length: 1_000 }, (_, i) => `a${i}`);
  const handle: Handle = {
    async sleep() {
      order.push('first request');
      await new Promise(setImmediate);
      order.push('last request');
    },
  };
  const b = bench(ids, { handle });
  for (const id of ids) b.see(id, 'normal');
  b.want(Object.fromEntries(ids.map((id) => [id, 'sleep'])));
  b.reconciler.tick();
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  expect(order.filter((one) => one === 'last request')).toHaveLength(1_000);
  expect(order.indexOf('last request')).toBeLessThan(300);
  expect(order.lastIndexOf('first request')).toBeGreaterThan(700);
});

test('reads give way until sheds are told, and to silent machines for two seconds at most', async () => {
  const ids = Array.from({ length: 300 }, (_, i) => `a${i}`);
  const b = bench(ids, { handle: { sleep: () => new Promise(() => {}) } });
  for (const id of ids) b.see(id, 'normal');
  b.want(Object.fromEntries(ids.map((id) => [id, 'sleep'])));
  b.reconciler.tick();
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  expect(b.reconciler.inFlight()).toBe(300);
  expect(b.reconciler.isShedding()).toBe(true);
  b.pass(2_000);
  expect(b.reconciler.isShedding()).toBe(false);
});

test('a machine that was just changed is left alone for a minute, but not when it must shed', async () => {
  const b = bench(['a1', 'a2']);
  for (const id of ['a1', 'a2']) b.see(id, 'sleep');
  b.want({ a1: 'low', a2: 'low' });
  await b.tick();
  b.pass(1_000);
  for (const id of ['a1', 'a2']) b.see(id, 'low');
  b.reconciler.want(
    new Map([
      ['a1', { mode: 'sleep', actId: 'p2', who: 'w', why: 'price' }],
      ['a2', { mode: 'sleep', actId: 'p2', who: 'w', why: 'a stop', isShed: true }],
    ]),
  );
  await b.tick();
  expect(b.sent).toEqual(['a1 low', 'a2 low', 'a2 sleep']);
  expect(b.reconciler.skipped('a1')?.reason).toBe('dwell');
  b.pass(60_000);
  await b.tick();
  expect(b.sent.at(-1)).toBe('a1 sleep');
});

test('who was to run as from the factory, and has told its own profiles since, is there when it runs', async () => {
  const b = bench(['a1', 'a2']);
  b.see('a1', 'sleep');
  b.see('a2', 'low');
  b.want({ a1: 'default', a2: 'default' });
  await b.tick();
  // `default` is no profile of theirs: the one that runs is left alone.
  expect(b.sent).toEqual(['a1 default']);
  b.pass(1_000);
  b.see('a1', 'normal');
  expect(b.stage('a1')).toBe('seen-in-power');
  expect(b.reconciler.skipped('a2')).toBeUndefined();
});

test('what machines would still move by: those under way, by what they draw meanwhile, and no others', async () => {
  const b = bench(['a1', 'a2', 'a3'], { staleMs: 60_000 });
  for (const id of ['a1', 'a2', 'a3']) b.see(id, 'sleep');
  expect(b.reconciler.movingW()).toBe(0);
  b.want({ a1: 'normal', a2: 'sleep', a3: 'normal' });
  expect(b.reconciler.movingW()).toBe(2 * (3000 - 25));
  b.faults.set('a3', ['refused']);
  await b.tick();
  // It says that it runs long before it draws what it will.
  b.pass(5_000);
  b.see('a1', 'normal', { powerW: 900, hashrateThs: 0 });
  expect(b.stage('a1')).toBe('acknowledged');
  expect(b.stage('a3')).toBe('failed');
  expect(b.reconciler.movingW()).toBe(2100);
  b.pass(5_000);
  b.see('a1', 'normal');
  expect(b.reconciler.movingW()).toBe(0);
  b.want({ a1: 'sleep', a2: 'sleep' });
  expect(b.reconciler.movingW()).toBe(3000 - 25);
  // One that fell silent is on no way that anybody could tell.
  b.pass(61_000);
  expect(b.reconciler.movingW()).toBe(0);
});

test('who runs a profile of its own that it has not told of yet runs as from the factory; another known one does not', () => {
  const target = (...known: string[]) => ({
    expect: (mode: OperatingMode) =>
      mode.kind === 'run' && known.includes(mode.profile) ? { powerW: 3000, hashrateThs: 100 } : undefined,
  });
  expect(isInMode(target('default'), run('3510'), 'default')).toBe(true);
  expect(isInMode(target('3510', '3250'), run('3250'), 'default')).toBe(true);
  expect(isInMode(target('default', 'low'), run('low'), 'default')).toBe(false);
  expect(isInMode(target('default'), SLEEP, 'default')).toBe(false);
  expect(isInMode(target('default', 'low'), run('default'), 'low')).toBe(false);
});
