import { expect, test } from 'vitest';
import { Fault, MINUTE, siteMs, wallMs, type CoolingReading, type Trust } from '../model/index.ts';
import { createCoolingFirst } from './cooling-first.ts';

/** A hall with plants of 100 kW each, read every second; they move water 40 s after they are started. */
function hall(count = 2, more: { trust?: Trust; startedBefore?: string[]; frostBelowC?: number } = {}) {
  let now = 10 * MINUTE;
  const plants = Array.from({ length: count }, (_, i) => ({
    id: `p-${i}`,
    onSince: undefined as number | undefined,
    fault: undefined as Fault | undefined,
    isStuck: false,
    isSilent: false,
    supplyC: 20,
    returnC: 20,
  }));
  const told: string[] = [];
  const acts: string[] = [];
  const heat = { heatW: 0, moreW: 0 };
  const tell = (plant: (typeof plants)[number], on: boolean) => async () => {
    told.push(`${plant.id} ${on ? 'on' : 'off'}`);
    if (plant.fault !== undefined) throw plant.fault;
    plant.onSince = on ? (plant.onSince ?? now) : undefined;
  };
  const readingOf = (plant: (typeof plants)[number]): CoolingReading => {
    const isOn = plant.onSince !== undefined && !plant.isStuck;
    const moves = isOn && now - plant.onSince! >= 40_000;
    return { running: isOn, flowLpm: moves ? 900 : 0, supplyC: plant.supplyC, returnC: plant.returnC };
  };
  const cooling = createCoolingFirst({
    plants: () =>
      plants.map((plant) => ({
        id: plant.id,
        hallId: 'h',
        carriesW: 100_000,
        start: tell(plant, true),
        letGo: tell(plant, false),
      })),
    seen(id) {
      const plant = plants.find((one) => one.id === id)!;
      return plant.isSilent ? undefined : { cooling: readingOf(plant), at: siteMs(now) };
    },
    heatW: () => heat.heatW,
    moreW: () => heat.moreW,
    frostBelowC: () => more.frostBelowC,
    trust: () => more.trust ?? 'auto',
    siteNow: () => siteMs(now),
    wallNow: () => wallMs(now),
    begin(plant, what, why) {
      acts.push(`${what} ${plant.id}: ${why}`);
      return `act-${acts.length}`;
    },
    startedBefore: more.startedBefore ?? [],
  });
  return {
    cooling,
    plants,
    told,
    acts,
    heat,
    async pass(seconds = 1) {
      for (let n = 0; n < seconds; n += 1) {
        now += 1_000;
        cooling.look();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

test('the stage that a wake batch needs is started first, and nobody wakes before its flow is read back', async () => {
  const { cooling, told, acts, heat, pass } = hall();
  await pass();
  expect(told).toEqual([]);
  heat.moreW = 60_000;
  await pass();
  expect(told).toEqual(['p-0 on']);
  expect(acts).toEqual(['start p-0: h has 60 kW to be carried']);
  expect(cooling.heldBack('h', 3_000)).toBe('cooling-starts');
  await pass(30);
  expect(cooling.heldBack('h', 3_000)).toBe('cooling-starts');
  await pass(12);
  expect(cooling.heldBack('h', 3_000)).toBeUndefined();
  const proved = cooling.drainChanged().at(-1)!;
  expect(proved).toMatchObject({ target: 'p-0', action: 'start-plant', who: 'busbar', stage: 'seen-in-power' });
  expect(told).toEqual(['p-0 on']);
});

test('as many stages as the heat needs and no more; a machine beyond what they carry waits', async () => {
  const { cooling, told, heat, pass } = hall(3);
  heat.heatW = 90_000;
  heat.moreW = 60_000;
  await pass(45);
  expect(told).toEqual(['p-0 on', 'p-1 on']);
  expect(cooling.heldBack('h', 100_000)).toBeUndefined();
  expect(cooling.heldBack('h', 120_000)).toBe('cooling');
});

test('a stage is let go a quarter of an hour after it was needed, and only when its heat has gone', async () => {
  const { told, plants, heat, pass } = hall();
  heat.moreW = 60_000;
  await pass(60);
  Object.assign(heat, { heatW: 1_000, moreW: 0 });
  plants[0]!.returnC = 26;
  await pass(20 * 60);
  expect(told).toEqual(['p-0 on']);
  plants[0]!.returnC = 21;
  await pass(2);
  expect(told).toEqual(['p-0 on', 'p-0 off']);
  await pass(60);
  heat.moreW = 60_000;
  await pass(2);
  expect(told).toEqual(['p-0 on', 'p-0 off', 'p-0 on']);
});

test.each<[string, Partial<ReturnType<typeof hall>['plants'][number]>]>([
  ['is cold', { supplyC: 6, returnC: 6 }],
  ['says nothing', { isSilent: true }],
])('a loop that can freeze and %s is kept moving', async (_, state) => {
  const { told, plants, heat, pass } = hall(1, { frostBelowC: 5 });
  heat.moreW = 60_000;
  await pass(60);
  Object.assign(heat, { heatW: 0, moreW: 0 });
  Object.assign(plants[0]!, state);
  await pass(30 * 60);
  expect(told).toEqual(['p-0 on']);
  Object.assign(plants[0]!, { isSilent: false, supplyC: 12, returnC: 12 });
  await pass(2);
  expect(told).toEqual(['p-0 on', 'p-0 off']);
});

test('what somebody else started is never let go; what was started before a restart is', async () => {
  const other = hall(1);
  other.plants[0]!.onSince = 0;
  await other.pass(30 * 60);
  expect(other.told).toEqual([]);
  const mine = hall(1, { startedBefore: ['p-0'] });
  mine.plants[0]!.onSince = 0;
  expect(mine.cooling.started()).toEqual([]);
  await mine.pass(30 * 60);
  expect(mine.told).toEqual(['p-0 off']);
});

test('a plant that does not start is named, tried again, and nobody wakes', async () => {
  const { cooling, plants, told, heat, pass } = hall(1);
  plants[0]!.isStuck = true;
  heat.moreW = 60_000;
  await pass(6 * 60);
  expect(cooling.failures().get('p-0')).toMatch(/no flow or fan is read back/);
  expect(cooling.heldBack('h', 3_000)).toMatch(/^cooling/);
  expect(told.length).toBeGreaterThan(1);
  plants[0]!.isStuck = false;
  await pass(60);
  expect(cooling.failures().size).toBe(0);
  expect(cooling.heldBack('h', 3_000)).toBeUndefined();
});

test('one that refuses is not hammered, and one that is silent is not commanded blindly', async () => {
  const { plants, told, heat, pass } = hall(1);
  plants[0]!.isSilent = true;
  heat.moreW = 60_000;
  await pass(60);
  expect(told).toEqual([]);
  Object.assign(plants[0]!, { isSilent: false, fault: new Fault('refused', 'not from BACnet') });
  await pass(100);
  expect(told).toHaveLength(1);
});

test.each<Trust>(['shadow', 'suggest'])('in %s nothing is started', async (trust) => {
  const { cooling, told, heat, pass } = hall(1, { trust });
  heat.moreW = 60_000;
  await pass(60);
  expect(told).toEqual([]);
  expect(cooling.heldBack('h', 3_000)).toBe('cooling');
});
