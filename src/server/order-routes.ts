import { z } from 'zod';
import { isoUtc, type SiteMs } from '../model/index.ts';
import * as shapes from '../model/orders-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import { type Order, OrderRefusal } from './orders/orders.ts';
import { ApiProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const readers = { needs: 'viewer' } as const;
const operators = { needs: 'operator' } as const;

/** Preview, confirm, progress, reverse: what a person tells the whole site to do. */
export function orderRoutes(app: App, runtime: Runtime): void {
  const { orders } = runtime;
  app.get(
    '/api/v1/orders',
    {
      config: readers,
      schema: {
        tags: ['control'],
        summary: 'Orders in force, asked for and over, and how far they are carried out',
        response: { 200: shapes.ordersPage },
      },
    },
    () => ({ at: isoUtc(runtime.clock.now()), orders: orders.all().map((order) => stateOf(runtime, order)) }),
  );
  app.post(
    '/api/v1/orders/preview',
    {
      onError: refusalsOnRecord(runtime, 'preview an order'),
      config: operators,
      schema: {
        tags: ['control'],
        summary: 'What an order would do: machines, watts, jobs, money, and who is left out; writes nothing',
        body: shapes.orderPreviewRequest,
        response: { 200: shapes.orderPreview },
      },
    },
    (request) => refusable(() => orders.preview(request.body, personOf(request).name)),
  );
  app.post(
    '/api/v1/orders',
    {
      onError: refusalsOnRecord(runtime, 'carry an order out'),
      config: operators,
      schema: {
        tags: ['control'],
        summary: 'Carry a preview out, or as a second person approve what was asked for',
        body: shapes.orderApplyRequest,
        response: { 202: shapes.orderState },
      },
    },
    async (request, reply) => {
      const person = personOf(request);
      const { preview, why } = request.body;
      const order = await refusable(() =>
        orders.apply(preview, { who: actorOf(person), name: person.name, via: person.via }, why),
      );
      return reply.code(202).send(stateOf(runtime, order));
    },
  );
  app.post(
    '/api/v1/orders/:id/release',
    {
      onError: refusalsOnRecord(runtime, 'release an order'),
      config: operators,
      schema: {
        tags: ['control'],
        summary: 'End an order: the plan has the machines back',
        params: z.object({ id: z.string() }),
        body: shapes.orderReleaseRequest,
        response: { 200: shapes.orderState },
      },
    },
    async (request) => {
      const who = actorOf(personOf(request));
      return stateOf(runtime, await refusable(() => orders.release(request.params.id, who, request.body.why)));
    },
  );
}

async function refusable<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof OrderRefusal) throw new ApiProblem(409, 'Not possible', error.message);
    throw error;
  }
}

function stateOf(runtime: Runtime, order: Order): shapes.OrderState {
  const { importW, explainedW } = runtime.picture();
  const isOn = order.state === 'in-force';
  const { wanted, seen, failed } = isOn ? runtime.orders.inPlace() : { wanted: 0, seen: 0, failed: [] };
  const deliveredW =
    !isOn || importW === undefined || order.beforeW === undefined ? undefined : order.beforeW - importW;
  const { explainedBeforeW } = order;
  const machinesDownW = !isOn || explainedBeforeW === undefined ? undefined : explainedBeforeW - explainedW;
  return {
    id: order.id,
    kind: order.kind,
    state: order.state,
    who: order.who,
    approvedBy: order.approvedBy ?? null,
    why: order.why,
    from: isoUtc(order.from),
    until: order.until === undefined ? null : isoUtc(order.until),
    firmW: order.firmW ?? null,
    beforeW: order.beforeW ?? null,
    importW: importW ?? null,
    deliveredW: deliveredW ?? null,
    machinesDownW: machinesDownW ?? null,
    unexplainedW: deliveredW === undefined || machinesDownW === undefined ? null : deliveredW - machinesDownW,
    machines: { wanted, seen, failed: [...failed], stages: isOn ? stagesSince(runtime, order.from) : {} },
    ended: order.ended ?? null,
  };
}

function stagesSince({ fleet, reconciler }: Runtime, from: SiteMs): shapes.OrderState['machines']['stages'] {
  const stages: shapes.OrderState['machines']['stages'] = {};
  for (const { machine } of fleet.machines) {
    const command = reconciler.commandOf(machine.id);
    if (command === undefined || command.sentAt < from) continue;
    stages[command.stage] = (stages[command.stage] ?? 0) + 1;
  }
  return stages;
}
