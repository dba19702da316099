import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseSite } from './registry.ts';

const DEMO = join(import.meta.dirname, '..', '..', 'examples', 'demo-40mw', 'site.yaml');
type Raw = Record<string, Record<string, unknown>[]>;
const demo = (): Raw => parse(readFileSync(DEMO, 'utf8')) as Raw;

const STEP = { belowPct: 99, creditUsd: 1_000 };
const curvePoint = (powerLimitW: number, powerW: number, throughputPct: number) => ({
  powerLimitW,
  powerW,
  throughputPct,
});

/** The issues of the demo's site file after a change, as `path: message`. */
function issuesOf(change: (raw: Raw) => void): string[] {
  const raw = demo();
  change(raw);
  const result = parseSite(raw);
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('the demo site is good: 9,100 machines, each with an address of its own', () => {
  const result = parseSite(demo());
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  expect(result.machines).toHaveLength(9_100);
  expect(new Set(result.machines.map(({ address }) => address)).size).toBe(9_100);
  expect(new Set(result.machines.map(({ id }) => id)).size).toBe(9_100);
  expect(result.machines[0]).toEqual({
    id: 'a-s21-0001',
    groupId: 'a-s21',
    kind: 'asic',
    modelId: 'antminer-s21',
    hallId: 'a',
    driver: 'luxos',
    address: '127.1.0.1',
  });
});

test('defaults of drivers, clusters and feeds are filled in', () => {
  const result = parseSite(demo());
  if (!result.ok) throw new Error('the demo is good');
  for (const group of result.site.machines) expect(Object.keys(group.settings).length, group.id).toBeGreaterThan(0);
  expect(result.site.meters[0]!.settings).toMatchObject({ map: 'schneider-iem3000', port: 1502 });
});

test.each<[string, (raw: Raw) => void, RegExp]>([
  [
    'machines whose addresses overlap',
    (raw) => void (raw['machines']![1]!['addresses'] = '127.1.10.40-127.1.10.50'),
    /^machines\.1\.addresses: 127\.1\.10\.40 belongs to "a-s21" already$/,
  ],
  [
    'what shall happen after an outage, where nothing can be armed',
    (raw) => void (raw['machines']!.find(({ driver }) => driver === 'antminer-stock')!['afterOutage'] = 'stay-off'),
    /^machines\.\d+\.afterOutage: nothing can be armed through antminer-stock: expected no afterOutage$/,
  ],
  [
    'what a firmware never does after an outage',
    (raw) => void (raw['machines']![0]!['afterOutage'] = 'start'),
    /^machines\.0\.afterOutage: luxos cannot be armed for start: expected last-state, which it does by itself$/,
  ],
  [
    'a word that says nothing of what happens after an outage',
    (raw) => void (raw['machines']![0]!['afterOutage'] = 'on'),
    /^machines\.0\.afterOutage: Invalid option: expected one of "stay-off"\|"last-state"\|"start"$/,
  ],
  [
    'a family of PDUs that knows no last state',
    (raw) => {
      const feeds = { group: 'a-s21', count: 4 };
      const pdu = { id: 'p', kind: 'pdu', hall: 'a', driver: 'snmp-pdu', address: '127.77.0.1', feeds };
      raw['plant'] = [{ ...pdu, settings: { family: 'apc' }, afterOutage: 'last-state' }];
    },
    /^plant\.0\.afterOutage: snmp-pdu cannot be armed for last-state: expected stay-off or start$/,
  ],
  [
    'a PDU that carries heat',
    (raw) => {
      const pdu = { id: 'p', kind: 'pdu', hall: 'a', driver: 'snmp-pdu', address: '127.77.0.1' };
      raw['plant'] = [{ ...pdu, carriesMw: 1 }];
    },
    /^plant\.0\.carriesMw: a PDU carries no heat: expected kind cooling, or no carriesMw$/,
  ],
  [
    'a plant that could be started, and not be seen to run',
    (raw) => {
      const points = { supply: 'analog-input,1', start: 'binary-output,1' };
      const plant = { id: 'p', kind: 'cooling', hall: 'a', driver: 'bacnet-cooling', address: '127.77.0.1' };
      raw['plant'] = [{ ...plant, settings: { points } }];
    },
    /^plant\.0\.settings\.points: start needs what shows that it runs: flow, pump, fan or running$/,
  ],
  [
    'outlets to be armed that feed nobody known',
    (raw) => {
      const pdu = { id: 'p', kind: 'pdu', hall: 'a', driver: 'snmp-pdu', address: '127.77.0.1' };
      raw['plant'] = [{ ...pdu, afterOutage: 'start' }];
    },
    /^plant\.0\.afterOutage: no outlet is known to feed a machine: expected feeds beside it$/,
  ],
  [
    'a meter at the address of a machine',
    (raw) => void (raw['meters']![0]!['address'] = '127.1.0.1'),
    /^meters\.0\.address: 127\.1\.0\.1 belongs to "a-s21" already$/,
  ],
  [
    'two meters at one address',
    (raw) => void (raw['meters']![1]!['address'] = raw['meters']![0]!['address']),
    /^meters\.1\.address: 127\.9\.0\.1 belongs to "feeder" already$/,
  ],
  [
    'a range that ends before it begins',
    (raw) => void (raw['machines']![0]!['addresses'] = '127.1.0.9-127.1.0.1'),
    /^machines\.0\.addresses: .*ends before it begins$/,
  ],
  [
    'an unknown driver of machines',
    (raw) => void (raw['machines']![0]!['driver'] = 'luxor'),
    /^machines\.0\.driver: unknown driver, expected one of: .*luxos/,
  ],
  [
    'an unknown driver of a meter',
    (raw) => void (raw['meters']![2]!['driver'] = 'modbus'),
    /^meters\.2\.driver: unknown driver, expected one of: .*modbus-meter/,
  ],
  [
    'an unknown scheduler',
    (raw) => void (raw['clusters']![0]!['driver'] = 'slurmy'),
    /^clusters\.0\.driver: unknown driver, expected one of: .*slurm/,
  ],
  [
    'an unknown feed',
    (raw) => void (raw['feeds']![0]!['feed'] = 'oracle'),
    /^feeds\.0\.feed: unknown feed, expected one of: .*recorded/,
  ],
  [
    'a hall that is not there',
    (raw) => void (raw['machines']![0]!['hall'] = 'z'),
    /^machines\.0\.hall: no hall "z", expected one of: a, b, c, d, e$/,
  ],
  [
    'a meter of a hall that is not there',
    (raw) => void (raw['meters']![1]!['measures'] = { hall: 'z' }),
    /^meters\.1\.measures\.hall: no hall "z"/,
  ],
  ['an id used twice', (raw) => void (raw['halls']![1]!['id'] = 'a'), /^halls\.1\.id: "a" is used twice in halls$/],
  [
    'a group id used twice',
    (raw) => void (raw['machines']![3]!['id'] = 'a-s21'),
    /^machines\.3\.id: "a-s21" is used twice in machines$/,
  ],
  [
    'a model of another kind',
    (raw) => void (raw['machines']![0]!['kind'] = 'gpu-server'),
    /^machines\.0\.kind: antminer-s21 is of kind asic$/,
  ],
  [
    'a setting the driver does not know',
    (raw) => void (raw['machines']![1]!['settings'] = { webProt: 8080 }),
    /^machines\.1\.settings\.webProt: unknown key "webProt"$/,
  ],
  [
    'a setting of the wrong type',
    (raw) => void (raw['meters']![0]!['settings'] = { map: 'schneider-iem3000', port: 'high' }),
    /^meters\.0\.settings\.port: /,
  ],
  [
    'an award held until before it begins',
    (raw) =>
      void (raw['awards'] = [
        {
          id: 'ecrs',
          product: 'ERCOT ECRS',
          mw: 5,
          usdPerMwHour: 12,
          shortfallUsdPerMwh: 200,
          responseSeconds: 600,
          hours: { from: '20:00', until: '14:00' },
        },
      ]),
    /^awards\.0\.hours\.until: ends before it begins \(20:00\): expected a later time of the same day$/,
  ],
  [
    'a call that ends before import has to be down',
    (raw) =>
      void (raw['programs'] = [
        {
          id: 'ers',
          product: 'ERCOT ERS',
          firmMw: 3,
          noticeMinutes: 30,
          penaltyUsdPerMwh: 2500,
          calls: [{ at: '2026-08-12T16:05:00-05:00', until: '2026-08-12T21:20:00Z' }],
        },
      ]),
    /^programs\.0\.calls\.0\.until: ends before import has to be down: expected a later time$/,
  ],
  [
    'two generators told by one series',
    (raw) =>
      void (raw['generation'] = [
        { id: 'pv', kind: 'solar', capacityMw: 6, series: 'availableMw.solar' },
        { id: 'roof', kind: 'solar', capacityMw: 1, series: 'availableMw.solar' },
      ]),
    /^generation\.1\.series: "pv" is told by that already$/,
  ],
  [
    'a feeder over a hall that is not there',
    (raw) => void (raw['feeders'] = [{ id: 'f1', ratingMw: 9, halls: ['a', 'z'] }]),
    /^feeders\.0\.halls\.1: no hall "z", expected one of: a, b, c, d, e$/,
  ],
  [
    'a feeder over a feeder that is not there',
    (raw) => void (raw['feeders'] = [{ id: 'f1', ratingMw: 9, halls: ['a'], feeders: ['f2'] }]),
    /^feeders\.0\.feeders\.0: no feeder "f2", expected one of: f1$/,
  ],
  [
    'a hall on two feeders',
    (raw) =>
      void (raw['feeders'] = [
        { id: 'f1', ratingMw: 9, halls: ['a', 'c'] },
        { id: 'f2', ratingMw: 9, halls: ['d', 'c'] },
      ]),
    /^feeders\.1\.halls\.1: "c" hangs on "f1" already$/,
  ],
  [
    'a feeder that hangs on itself',
    (raw) => void (raw['feeders'] = [{ id: 'f1', ratingMw: 9, halls: ['a'], feeders: ['f1'] }]),
    /^feeders\.0\.feeders: "f1" hangs on itself: expected feeders that stand below it$/,
  ],
  [
    'a feeder nothing hangs on',
    (raw) => void (raw['feeders'] = [{ id: 'f1', ratingMw: 9 }]),
    /^feeders\.0: nothing hangs on it: expected halls or feeders$/,
  ],
])('%s: one issue, at its place', (_what, change, expected) => {
  const issues = issuesOf(change).filter((issue) => !/: no hall "b"/.test(issue));
  expect(issues).toHaveLength(1);
  expect(issues[0]).toMatch(expected);
});

test('a ring of feeders is told at each of them', () => {
  const issues = issuesOf((raw) => {
    raw['feeders'] = [
      { id: 'f1', ratingMw: 9, halls: ['a'], feeders: ['f2'] },
      { id: 'f2', ratingMw: 9, feeders: ['f1'] },
      { id: 'f3', ratingMw: 9, halls: ['c'] },
    ];
  });
  expect(issues).toEqual([
    expect.stringMatching(/^feeders\.0\.feeders: "f1" hangs on itself/),
    expect.stringMatching(/^feeders\.1\.feeders: "f2" hangs on itself/),
  ]);
});

test('a large overlap is named once, and several mistakes are told together', () => {
  const issues = issuesOf((raw) => {
    raw['machines']![1]!['addresses'] = raw['machines']![0]!['addresses'];
    raw['machines']![2]!['driver'] = 'nope';
    raw['feeds']![0]!['feed'] = 'nope';
  });
  expect(issues).toHaveLength(3);
});

test('mistakes of shape and those only the whole shows are told together', () => {
  const issues = issuesOf((raw) => {
    (raw['connection'] as unknown as Record<string, unknown>)['limitMw'] = 'forty';
    delete raw['halls']![0]!['breakerMw'];
    raw['machines']![0]!['hall'] = 'z';
    raw['machines']![1]!['addresses'] = '127.1.10.40-127.1.10.50';
    raw['feeds']![0]!['settings'] = { fodler: 'x' };
  });
  expect(issues).toEqual([
    expect.stringMatching(/^connection\.limitMw: .*expected number/),
    'halls.0.breakerMw: a hall needs its breaker: expected breakerMw, what it may carry',
    expect.stringMatching(/^feeds\.0\.settings\.folder: .*expected string/),
    'feeds.0.settings.fodler: unknown key "fodler"',
    expect.stringMatching(/^machines\.0\.hall: no hall "z"/),
    expect.stringMatching(/^machines\.1\.addresses: 127\.1\.10\.40 belongs to "a-s21" already/),
  ]);
});

test.each<[string, (raw: Raw) => void, RegExp]>([
  [
    'a driver of meters for machines',
    (raw) => void (raw['machines']![0]!['driver'] = 'modbus-meter'),
    /^machines\.0\.driver: unknown driver, expected one of: (?!.*modbus)/,
  ],
  [
    'a credential in clear',
    (raw) => void (raw['machines']![1]!['settings'] = { password: 'hunter2' }),
    /^machines\.1\.settings\.password: expected where the credential lies/,
  ],
  [
    'an owner nobody named',
    (raw) => void (raw['machines']![0]!['owner'] = 'acme'),
    /^machines\.0\.owner: no owner "acme", this file has no owners$/,
  ],
  [
    'a contract for a class of work that is not there',
    (raw) => void (raw['contracts'] = [{ id: 'x', customer: 'X', work: 'h900', committedGpus: 8 }]),
    /^contracts\.0\.work: no class of work "h900", expected one of: h100-reserved/,
  ],
  [
    'a contract that ends before it begins',
    (raw) =>
      void (raw['contracts'] = [
        { id: 'x', customer: 'X', work: 'h100-reserved', committedGpus: 8, from: '2026-05-01', until: '2026-04-01' },
      ]),
    /^contracts\.0\.until: ends before it begins/,
  ],
  [
    'a curtailment budget of a class that two contracts share',
    (raw) =>
      void (raw['contracts'] = [
        { id: 'x', customer: 'X', work: 'h100-reserved', committedGpus: 8, curtailment: { gpuHoursPerMonth: 50 } },
        { id: 'y', customer: 'Y', work: 'h100-reserved', committedGpus: 8 },
      ]),
    /^contracts\.0\.curtailment: "y" has the class of work "h100-reserved" too, expected a class of its own$/m,
  ],
  [
    'a curtailment budget of a class that commits GPUs itself',
    (raw) =>
      void (raw['contracts'] = [
        { id: 'x', customer: 'X', work: 'h100-reserved', committedGpus: 8, curtailment: { gpuHoursPerMonth: 50 } },
      ]),
    /^contracts\.0\.curtailment: the class of work "h100-reserved" commits \d+ GPUs itself, expected 0$/,
  ],
  [
    'a minimum availability of a class that two contracts share',
    (raw) =>
      void (raw['contracts'] = [
        { id: 'x', customer: 'X', work: 'h100-reserved', committedGpus: 8, availability: [STEP] },
        { id: 'y', customer: 'Y', work: 'h100-reserved', committedGpus: 8 },
      ]),
    /^contracts\.0\.availability: "y" has the class of work "h100-reserved" too, expected a class of its own$/m,
  ],
  [
    'a minimum availability whose steps rise',
    (raw) =>
      void (raw['contracts'] = [
        {
          id: 'x',
          customer: 'X',
          work: 'h100-reserved',
          committedGpus: 8,
          availability: [STEP, { belowPct: 99.5, creditUsd: 2_000 }],
        },
      ]),
    /^contracts\.0\.availability\.1\.belowPct: is not below the step before it: expected less than 99$/m,
  ],
  [
    'a minimum availability whose lower step is no dearer',
    (raw) =>
      void (raw['contracts'] = [
        {
          id: 'x',
          customer: 'X',
          work: 'h100-reserved',
          committedGpus: 8,
          availability: [STEP, { belowPct: 95, creditUsd: 1_000 }],
        },
      ]),
    /^contracts\.0\.availability\.1\.creditUsd: is no more than the step before it owes: expected more than 1000$/m,
  ],
  [
    'a minimum availability of more than all',
    (raw) =>
      void (raw['contracts'] = [
        {
          id: 'x',
          customer: 'X',
          work: 'h100-reserved',
          committedGpus: 8,
          availability: [{ belowPct: 101, creditUsd: 1_000 }],
        },
      ]),
    /^contracts\.0\.availability\.0\.belowPct: /m,
  ],
  [
    'a lease that serves a class of work that is not there',
    (raw) => void Object.assign(raw['leases']![0]!, { serves: 'h900', gpusPerChip: 1, revenueUsdPerChipHour: 0 }),
    /^leases\.0\.serves: no class of work "h900", expected one of: h100-reserved/m,
  ],
  [
    'a lease that serves without saying how much',
    (raw) => void Object.assign(raw['leases']![0]!, { serves: 'h100-reserved', revenueUsdPerChipHour: 0 }),
    /^leases\.0\.serves: expected gpusPerChip beside it$/m,
  ],
  [
    'a lease that serves and is sold on',
    (raw) => void Object.assign(raw['leases']![0]!, { serves: 'h100-reserved', gpusPerChip: 1 }),
    /^leases\.0\.revenueUsdPerChipHour: is sold on and serves a class of work: expected 0 beside serves$/m,
  ],
  [
    'chips on demand that nobody wants',
    (raw) => void Object.assign(raw['leases']![0]!, { more: { chips: 8, costUsdPerChipHour: 2 } }),
    /^leases\.0\.more: has nobody to serve: expected serves, a class of work, beside it$/m,
  ],
  [
    'more chips rented than there are',
    (raw) =>
      void Object.assign(raw['leases']![0]!, {
        serves: 'h100-reserved',
        gpusPerChip: 1,
        revenueUsdPerChipHour: 0,
        more: { chips: 8, costUsdPerChipHour: 2, rented: 9 },
      }),
    /^leases\.0\.more\.rented: more than can be had: expected at most 8$/m,
  ],
  [
    'a lease until a day that is none',
    (raw) => void Object.assign(raw['leases']![0]!, { until: '2026-02-30' }),
    /^leases\.0\.until: /m,
  ],
  [
    'power saving of a cluster that switches no nodes',
    (raw) =>
      void Object.assign(raw['clusters']![0]!, { driver: 'local', powerSaving: { bootMinutes: 8, wakeCostUsd: 1 } }),
    /^clusters\.0\.powerSaving: local switches no nodes off, expected it only with driver: slurm$/,
  ],
  [
    'preemptible work that may not be interrupted',
    (raw) => {
      const { classes } = raw['clusters']![0] as unknown as { classes: Record<string, unknown>[] };
      classes.find((one) => one['class'] === 'preemptible')!['preemptible'] = false;
    },
    /^clusters\.0\.classes\.\d+\.preemptible: work of class preemptible gives way, expected true/,
  ],
  [
    'a class whose partition is of no role',
    (raw) =>
      void Object.assign(raw['clusters']![0]!, {
        roles: [
          { id: 'train', partition: 'p-train' },
          { id: 'infer', partition: 'p-infer' },
        ],
      }),
    /^clusters\.0\.classes\.0\.match\.partition: no role of this cluster has the partition "\w+", expected one that has, or role: one of train, infer/,
  ],
  [
    'two roles of one partition',
    (raw) =>
      void Object.assign(raw['clusters']![0]!, {
        roles: [
          { id: 'train', partition: 'p' },
          { id: 'infer', partition: 'p' },
        ],
      }),
    /^clusters\.0\.roles\.1\.partition: "train" has that partition already/,
  ],
  [
    'a class of a role that is none',
    (raw) => {
      const cluster = raw['clusters']![0] as unknown as { classes: Record<string, unknown>[]; roles: unknown };
      cluster.roles = [
        { id: 'train', partition: 'p' },
        { id: 'infer', partition: 'q' },
      ];
      for (const one of cluster.classes) one['role'] = 'sim';
    },
    /^clusters\.0\.classes\.0\.role: no role "sim" in this cluster, expected one of: train, infer/,
  ],
  [
    'a partition that no Kubernetes has',
    (raw) => {
      const cluster = raw['clusters']![0] as unknown as { classes: Record<string, unknown>[] };
      Object.assign(cluster, { driver: 'kubernetes', settings: { inCluster: true } });
      cluster.classes[0]!['match'] = { partition: 'Team A/gpu/2', qos: '*' };
    },
    /^clusters\.0\.classes\.0\.match\.partition: "Team A\/gpu\/2" is nowhere in a Kubernetes/,
  ],
  [
    'a Kubernetes that is nowhere',
    (raw) => void Object.assign(raw['clusters']![0]!, { driver: 'kubernetes', settings: {} }),
    /^clusters\.0\.settings\.kubeconfig: expected one of kubeconfig, inCluster: true, or url/,
  ],
  [
    'a deadline before its work may begin',
    (raw) => {
      const { classes } = raw['clusters']![0] as unknown as { classes: Record<string, unknown>[] };
      const [from, by] = ['2026-06-02T00:00:00Z', '2026-06-01T00:00:00Z'];
      classes[0]!['deadline'] = { gpuHours: 10, from, by, penaltyUsdPerGpuHour: 1 };
    },
    /^clusters\.0\.classes\.0\.deadline\.by: is not after from/,
  ],
  ...(
    [
      [
        'a power curve that does not rise',
        { powerCurve: [curvePoint(300, 400, 80), curvePoint(500, 390, 100)] },
        /^clusters\.0\.classes\.0\.powerCurve\.1\.powerW: expected more than the 400 of the point before it/,
      ],
      [
        'a power curve with one limit twice',
        { powerCurve: [curvePoint(300, 300, 80), curvePoint(300, 390, 100)] },
        /^clusters\.0\.classes\.0\.powerCurve\.1\.powerLimitW: expected more than the 300/,
      ],
      [
        'a power curve without full power',
        { powerCurve: [curvePoint(300, 300, 60), curvePoint(500, 390, 80)] },
        /^clusters\.0\.classes\.0\.powerCurve\.1\.throughputPct: expected 100/,
      ],
      [
        'a power curve below what an idle GPU draws',
        { powerCurve: [curvePoint(300, 20, 60), curvePoint(500, 390, 100)] },
        /^clusters\.0\.classes\.0\.powerCurve\.0\.powerW: expected more than the \d+ W an idle h100 draws/,
      ],
      [
        'terms for a power curve that nobody measured',
        { throttle: { minThroughputPct: 90 } },
        /^clusters\.0\.classes\.0\.throttle: no power curve of this work was measured: expected powerCurve beside it$/,
      ],
    ] as const
  ).map(([what, terms, message]): [string, (raw: Raw) => void, RegExp] => [
    what,
    (raw) => void Object.assign((raw['clusters']![0] as unknown as { classes: object[] }).classes[0]!, terms),
    message,
  ]),
  [
    'ballast of a group without miners',
    (raw) => {
      const servers = raw['machines']!.find((one) => one['kind'] === 'gpu-server')!['id'];
      (raw as Record<string, unknown>)['ballast'] = { bandMw: 1, groups: [servers] };
    },
    /^ballast\.groups\.0: "\S+" has no miners, expected a group of kind asic$/,
  ],
  [
    'a hall without a curve of its cooling',
    (raw) => void (raw['halls']![0]!['cooling'] = { kind: 'air', baseKw: 1 }),
    /^halls\.0\.cooling\.marginal: cooling needs its curve: expected marginal, or stages$/,
  ],
  [
    'cooling with one slope and stages, too',
    (raw) =>
      void Object.assign(raw['halls']![0]!['cooling'] as object, {
        stages: [{ id: 'dry', heatMw: 1, marginal: [{ wetBulbC: 10, marginalW: 0.1 }] }],
      }),
    /^halls\.0\.cooling\.stages: expected either marginal or stages, not both$/,
  ],
  [
    'a stage whose points are not in order',
    (raw) => {
      const marginal = [20, 10].map((wetBulbC) => ({ wetBulbC, marginalW: 0.1 }));
      raw['halls']![0]!['cooling'] = { kind: 'air', baseKw: 1, stages: [{ id: 'dry', heatMw: 1, marginal }] };
    },
    /^halls\.0\.cooling\.stages\.0\.marginal: expected points in the order of their wet bulb, coldest first$/,
  ],
  [
    'two stages of one name',
    (raw) => {
      const stage = { id: 'dry', heatMw: 1, marginal: [{ wetBulbC: 10, marginalW: 0.1 }] };
      raw['halls']![0]!['cooling'] = { kind: 'air', baseKw: 1, stages: [stage, stage] };
    },
    /^halls\.0\.cooling\.stages\.1\.id: "dry" is used twice in stages$/,
  ],
  [
    'two meters of one hall',
    (raw) => void (raw['meters']![2]!['measures'] = { hall: 'a' }),
    /^meters\.2\.measures: "meter-a" measures that already$/,
  ],
  [
    'an address the network can reach, without a certificate',
    (raw) => void ((raw as Record<string, unknown>)['server'] = { host: '0.0.0.0' }),
    /^server\.host: beyond loopback .* expected server\.tls/,
  ],
  [
    'a time zone nobody knows',
    (raw) => void ((raw as Record<string, unknown>)['timezone'] = 'Texas'),
    /^timezone: a time zone such as America\/Chicago$/,
  ],
])('%s is refused with its place', (_what, change, expected) => {
  const issues = issuesOf(change);
  expect(
    issues.some((issue) => expected.test(issue)),
    issues.join('\n'),
  ).toBe(true);
});

test('meters behind one gateway may share its address when their settings differ', () => {
  const issues = issuesOf((raw) => {
    raw['meters']![1]!['address'] = raw['meters']![0]!['address'];
    raw['meters']![1]!['settings'] = { map: 'schneider-iem3000', port: 1502, unitId: 2 };
  });
  expect(issues).toEqual([]);
});
