import { z } from 'zod';
import { asFault, isoUtc, type Fault } from '../model/index.ts';
import * as shapes from '../model/machines-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import { machineDetail, plantPage } from './machine-detail.ts';
import type { SiteDevice } from './plant-devices.ts';
import { PoolRefusal, type PoolChange } from './pools/changes.ts';
import { jobAgeMs } from './pools/probes.ts';
import { samePool } from './pools/wanted.ts';
import { wallNow } from './io.ts';
import { ApiProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const readers = { needs: 'viewer' } as const;
const operators = { needs: 'operator' } as const;
const admins = { needs: 'admin' } as const;
const orNull = <T>(value: T | undefined): T | null => value ?? null;

/** What was told as done is on the disk, whatever happens to this process. */
async function written(runtime: Runtime, done: string): Promise<void> {
  await runtime.store.flush().catch((error: Error) => {
    throw new ApiProblem(503, 'Not written down', `${done}, but a restart would not know of it: ${error.message}`);
  });
}

/** One machine in depth, and the machine that stands where another should. */
export function machineRoutes(app: App, runtime: Runtime): void {
  const params = z.object({ id: z.string() });
  app.get(
    '/api/v1/response-curves',
    {
      config: readers,
      schema: {
        tags: ['machines'],
        summary: 'How fast each model and firmware sheds and wakes, and what it draws on the way, as measured',
        response: { 200: shapes.responseCurves },
      },
    },
    () => responsesPage(runtime),
  );
  app.get(
    '/api/v1/machines/:id',
    {
      config: readers,
      schema: { tags: ['machines'], summary: 'One machine in depth', params, response: { 200: shapes.machineDetail } },
    },
    ({ params: { id } }) => {
      const member = runtime.fleet.byId(id);
      if (member === undefined) throw new ApiProblem(404, 'Not found', `no machine "${id}"`);
      return machineDetail(runtime, member);
    },
  );
  app.post(
    '/api/v1/machines/:id/adopt',
    {
      onError: refusalsOnRecord(runtime, 'adopt a machine'),
      config: operators,
      schema: {
        tags: ['machines'],
        summary: 'Take the machine that answers there now as the one that belongs there',
        params,
        body: shapes.adoptRequest,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (runtime.fleet.byId(id) === undefined) throw new ApiProblem(404, 'Not found', `no machine "${id}"`);
      if (!runtime.identities.adopt(id, actorOf(personOf(request)), request.body.why))
        throw new ApiProblem(409, 'Nothing to adopt', `${id} answers as the machine that belongs there`);
      await written(runtime, `${id} is taken`);
      return reply.code(204).send();
    },
  );
}

/** How each model and firmware answers, as measured on this site. */
function responsesPage({ clock, curves, site, answers }: Runtime): shapes.ResponseCurvesPage {
  return {
    at: isoUtc(clock.now()),
    curves: curves.all().map(({ model, firmware, shedMs, wakeMs, overshoot }) => ({
      model,
      firmware,
      shedMs: orNull(shedMs),
      wakeMs: orNull(wakeMs),
      overshoot: orNull(overshoot),
    })),
    groups: site.machines
      .filter(({ kind }) => kind === 'asic')
      .map((group) => {
        const { sleepSeconds, sleepBasis, wakeSeconds } = answers(group);
        return {
          group: group.id,
          sleepSeconds: orNull(sleepSeconds),
          sleepBasis: orNull(sleepBasis),
          wakeSeconds: orNull(wakeSeconds),
        };
      }),
  };
}

/** Where the hash goes. */
export function poolRoutes(app: App, runtime: Runtime): void {
  const { pools } = runtime;
  app.get(
    '/api/v1/pools',
    {
      config: readers,
      schema: {
        tags: ['pools'],
        summary: 'The list in force, how its pools are, and miners seen elsewhere',
        response: { 200: shapes.poolsPage },
      },
    },
    () => poolsPage(runtime),
  );
  app.post(
    '/api/v1/pools/approve',
    {
      onError: refusalsOnRecord(runtime, 'approve the list of pools'),
      config: admins,
      schema: {
        tags: ['pools'],
        summary: 'Ask for the list of the site file, or as a second person put it in force',
        body: shapes.poolApproveRequest,
        response: { 200: shapes.poolApproved },
      },
    },
    async (request) => {
      const person = personOf(request);
      // Whoever holds a token is its owner, not a second person; the machine's own key is held by whoever is at it.
      if (person.via !== 'session')
        throw new ApiProblem(
          403,
          'Not by an account',
          'a list of pools is asked for and approved by people, with an account each: sign in (busbar login)',
        );
      let state: 'asked' | 'in-force';
      try {
        state = pools.list.approve(actorOf(person), person.name, request.body.why);
      } catch (error) {
        throw new ApiProblem(409, 'Not approved', error instanceof Error ? error.message : String(error));
      }
      await written(runtime, state === 'asked' ? 'it is asked for' : 'the list is in force');
      return { state };
    },
  );
  app.post(
    '/api/v1/pools/preview',
    {
      onError: refusalsOnRecord(runtime, 'preview pools'),
      config: operators,
      schema: {
        tags: ['pools'],
        summary: 'What writing the pools of the list would change, machine by machine; writes nothing',
        body: shapes.poolPreviewRequest,
        response: { 200: shapes.poolPreview },
      },
    },
    (request) => {
      const by = personOf(request).name;
      const { id, madeAt, machines } = refusable(() => pools.changes.preview(request.body.targets, by));
      return {
        id,
        madeAt: isoUtc(madeAt),
        machines: machines.map(({ id: machine, canWrite, diff: { same, current, wanted } }) => ({
          id: machine,
          canWrite,
          same: orNull(same),
          current: current === undefined ? null : [...current],
          wanted: [...wanted],
        })),
      };
    },
  );
  app.post(
    '/api/v1/pools/apply',
    {
      onError: refusalsOnRecord(runtime, 'write pools'),
      config: operators,
      schema: {
        tags: ['pools'],
        summary: 'Carry a preview out; the first machines alone, each read back',
        body: shapes.poolApplyRequest,
        response: { 202: shapes.poolChange },
      },
    },
    async (request, reply) => {
      const { preview, why } = request.body;
      const person = personOf(request);
      const change = refusable(() => pools.changes.apply(preview, actorOf(person), why, person.name));
      return reply.code(202).send(changeView(change));
    },
  );
  app.get(
    '/api/v1/pools/changes/:id',
    {
      config: readers,
      schema: {
        tags: ['pools'],
        summary: 'How far a change of pools is',
        params: z.object({ id: z.string() }),
        response: { 200: shapes.poolChange },
      },
    },
    ({ params }) => {
      const change = pools.changes.find(params.id);
      if (change === undefined) throw new ApiProblem(404, 'Not found', `no change of pools "${params.id}"`);
      return changeView(change);
    },
  );
}

function refusable<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof PoolRefusal) throw new ApiProblem(409, 'Not possible', error.message);
    throw error;
  }
}

function changeView({ id, who, why, startedAt, endedAt, outcomes }: PoolChange): shapes.PoolChangeView {
  const counts: Record<string, number> = {};
  for (const { stage } of outcomes) counts[stage] = (counts[stage] ?? 0) + 1;
  const failed = outcomes
    .filter(({ stage }) => stage === 'failed')
    .map((one) => ({ id: one.id, why: [one.why, one.fault?.message].filter((text) => text !== undefined).join(': ') }));
  return {
    id,
    who,
    why,
    startedAt: isoUtc(startedAt),
    endedAt: endedAt === undefined ? null : isoUtc(endedAt),
    counts,
    failed,
  };
}

function poolsPage(runtime: Runtime): shapes.PoolsPage {
  const { pools, fleet } = runtime;
  const now = wallNow();
  const miners = fleet.machines.filter(({ machine }) => machine.kind === 'asic');
  // One that sleeps or does not answer keeps its pools, and works for none.
  const working = miners.flatMap(({ reading, failures }) =>
    reading?.pool === undefined || reading.mode?.kind === 'sleep' || failures > 0 ? [] : [reading.pool.url],
  );
  const pending = pools.list.pending();
  const plain = ({ id, url, worker }: { id: string; url: string; worker: string }) => ({ id, url, worker });
  return {
    at: isoUtc(runtime.clock.now()),
    listed: pools.health().map((health) => ({
      ...plain(health.pool),
      alive: orNull(health.alive),
      fault: orNull(health.fault?.message),
      connectMs: orNull(health.timing?.connectMs),
      subscribeMs: orNull(health.timing?.subscribeMs),
      authoriseMs: orNull(health.timing?.authoriseMs),
      latencyMs: orNull(health.latencyMs),
      jobAgeMs: orNull(jobAgeMs(health, now)),
      checkedAgeMs: health.checkedAt === undefined ? null : now - health.checkedAt,
      machines: working.filter((url) => samePool(url, health.pool.url)).length,
    })),
    pending:
      pending === undefined
        ? null
        : {
            pools: pending.pools.map(plain),
            askedBy: orNull(pending.askedBy),
            askedAt: pending.askedAt === undefined ? null : isoUtc(pending.askedAt),
          },
    strangers: [...pools.strangers()].map(([machine, seen]) => ({ machine, seen })),
    told: miners.filter(({ reading }) => (reading?.pools ?? reading?.pool) !== undefined).length,
    miners: miners.length,
  };
}

/** PDUs and cooling plant: read, and told by a person. */
export function plantRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/devices',
    {
      config: readers,
      schema: { tags: ['plant'], summary: 'PDUs and cooling plant', response: { 200: shapes.plantPage } },
    },
    () => plantPage(runtime),
  );
  const deviceOf = (id: string): SiteDevice => {
    const one = runtime.devices.byId(id);
    if (one === undefined) throw new ApiProblem(404, 'Not found', `no PDU or cooling plant "${id}"`);
    if (runtime.people.trust() === 'shadow')
      throw new ApiProblem(
        409,
        'Not possible',
        'the site is in shadow: it writes to nothing (busbar trust auto raises it)',
      );
    return one;
  };
  /** Written down before it is sent, and read back before it is called done. */
  async function command(
    one: SiteDevice,
    who: string,
    what: string,
    why: string,
    act: () => Promise<void>,
    seen: () => boolean,
  ): Promise<void> {
    const at = runtime.clock.now();
    runtime.journal.act({ id: `plant-${one.entry.id}-${at}`, at, who, what: `${one.entry.id}: ${what}`, why });
    await act().catch((error: unknown) => {
      throw new ApiProblem(502, 'The device did not take it', asFault(error).message);
    });
    await runtime.devices.readOne(one.entry.id);
    if (seen()) return;
    const fault: Fault | undefined = one.fault;
    throw new ApiProblem(
      502,
      'Not seen',
      `${one.entry.id} acknowledged and is not seen to have done it${fault === undefined ? '' : `: ${fault.message}`}`,
    );
  }
  app.post(
    '/api/v1/devices/:id/outlets/:outlet',
    {
      onError: refusalsOnRecord(runtime, 'switch an outlet'),
      config: operators,
      schema: {
        tags: ['plant'],
        summary: 'Switch one outlet of a PDU',
        params: z.object({ id: z.string(), outlet: z.coerce.number().int().positive() }),
        body: shapes.outletRequest,
      },
    },
    async (request, reply) => {
      const { id, outlet } = request.params;
      const { on, why } = request.body;
      const one = deviceOf(id);
      const { setOutlet } = one.device;
      if (setOutlet === undefined) throw new ApiProblem(409, 'Not possible', `${id} cannot switch outlets`);
      const isOn = () => one.reading?.outlets?.find(({ index }) => index === outlet)?.on;
      await command(
        one,
        actorOf(personOf(request)),
        `outlet ${outlet} ${on ? 'on' : 'off'}`,
        why,
        () => setOutlet(outlet, on),
        () => isOn() === on,
      );
      return reply.code(204).send();
    },
  );
  app.post(
    '/api/v1/devices/:id/supply',
    {
      onError: refusalsOnRecord(runtime, 'set a supply temperature'),
      config: operators,
      schema: {
        tags: ['plant'],
        summary: 'Set what a cooling plant delivers, inside its limits',
        params: z.object({ id: z.string() }),
        body: shapes.supplyRequest,
      },
    },
    async (request, reply) => {
      const { celsius, why } = request.body;
      const one = deviceOf(request.params.id);
      const { setSupplyC } = one.device;
      if (setSupplyC === undefined) throw new ApiProblem(409, 'Not possible', `${one.entry.id} takes no set point`);
      const isAt = () => Math.abs((one.reading?.cooling?.setPointC ?? Number.NaN) - celsius) < 0.15;
      await command(one, actorOf(personOf(request)), `supply ${celsius} C`, why, () => setSupplyC(celsius), isAt);
      return reply.code(204).send();
    },
  );
}
