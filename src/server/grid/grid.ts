import { isAbsolute, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import {
  type BasePointCommand,
  type BasePointTelemetry,
  createRegisters,
  STATUS,
} from '../../control/grid/base-point.ts';
import { within } from '../../control/grid/law.ts';
import { createVen, type VenIo } from '../../control/grid/openadr.ts';
import { type Refusal, refusalOf, type SignedRequest, telling, webhookKey } from '../../control/grid/webhook.ts';
import type { Trust } from '../../control/trust.ts';
import {
  authorityOf,
  Fault,
  type BasePointSource,
  type GridSignal,
  siteMs,
  type Site,
  type Snapshot,
} from '../../model/index.ts';
import type { GridView } from '../../model/grid-api.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from '../journal.ts';
import type { Picture } from '../picture.ts';
import { availability } from './availability.ts';
import { createSignalBook } from './book.ts';
import { createFollowing } from './follow.ts';
import { listenModbus } from './modbus-listener.ts';
import { createRefusedLog } from './refused.ts';
import { runVen, type VenLoop } from './ven-loop.ts';
import { viewOf } from './view.ts';

/** Everything about signals of the grid: who tells, what stands, how import follows it. */
export interface Grid {
  /** The planner's facts with what the grid demands over them. */
  facts(snapshot: Snapshot): Snapshot;
  /** Once a second. */
  look(picture: Picture): void;
  alarms(): RaisedAlarm[];
  view(picture: Picture, planW: number | undefined): GridView;
  /** Takes a signed webhook, or says why not, on record. @returns undefined where the source does not exist */
  receive(sourceId: string, request: SignedRequest): Promise<Refusal | 'taken' | undefined>;
  /** A webhook that was refused before it came so far. */
  refused(sourceId: string, why: string): void;
  /** @throws GridRefusal where there is no such event */
  optOut(sourceId: string, eventId: string, who: string, why: string): Promise<void>;
  optIn(sourceId: string, eventId: string, who: string, why: string): Promise<void>;
  /** Speaks and listens to the sources of the site file: at the start, when plans can be asked for, and when it changed. */
  follow(): void;
  close(): Promise<void>;
}

export class GridRefusal extends Error {}

export interface GridOptions {
  readonly store: Pick<Store, 'getMeta' | 'setMeta' | 'flush'>;
  readonly journal: Pick<Journal, 'act'>;
  readonly io: VenIo;
  /** Where relative paths of the site file start. */
  readonly folder: string;
  readonly log: Logger;
  site(): Site;
  trust(): Trust;
  /** Cohorts that a person holds out of the plan. */
  held(): ReadonlySet<string>;
  /** Watts that machines on their way to what is wanted of them would still move import by. */
  movingW(): number;
  /** What the plan in force says import is; undefined before the first. */
  planW(): number | undefined;
  askPlan(why: string): void;
}

/** What a controller's set point is called. */
export const BASE_POINT = 'base-point';

interface Running {
  readonly source: GridSignal;
  readonly ven: VenLoop | undefined;
  close(): Promise<void> | void;
}

export async function createGrid(options: GridOptions): Promise<Grid> {
  const { io, log, site, trust, journal } = options;
  const { siteNow, wallNow } = io;
  const book = await createSignalBook({ ...options, siteNow, wallNow });
  const following = createFollowing({
    ...options,
    siteNow,
    responseSeconds: (id) => book.source(id)?.source.responseSeconds ?? 0,
  });
  const refusals = createRefusedLog(journal, { site: siteNow, wall: wallNow });
  let running = new Map<string, Running>();
  let telemetry: Omit<BasePointTelemetry, 'status'> | undefined;
  let telemetryWall = wallNow();

  function run(source: GridSignal): Running {
    if (source.kind === 'openadr') {
      const ven = runVen(source, createVen(source, io), { book, following, trust, siteNow, log });
      return { source, ven, close: () => ven.close() };
    }
    if (source.kind === 'webhook') return { source, ven: undefined, close: () => {} };
    const before = book.source(source.id)?.told.get(BASE_POINT);
    const basePointW = before?.spans[0]?.importW.most;
    const registers = createRegisters({
      initial: basePointW === undefined ? undefined : { basePointW, enabled: before?.cancelled === false },
      mostW: site().connection.limitMw * 1e6,
      leastW: authorityOf(source).leastImportW,
      telemetry: () => telemetryOf(source),
      told: basePointTeller(source),
      refused: (why) => refusals.add(source.id, why, 'a base point'),
    });
    const at = (file: string): string => (isAbsolute(file) ? file : resolve(options.folder, file));
    const listener = listenModbus(source, registers, at, log, (why) => book.problem(source.id, why));
    return { source, ven: undefined, close: () => listener.close() };
  }

  function follow(): void {
    book.follow(site());
    const before = running;
    running = new Map();
    for (const source of site().gridSignals) {
      const same = before.get(source.id);
      if (same !== undefined && isDeepStrictEqual(same.source, source)) {
        running.set(source.id, same);
        before.delete(source.id);
      }
    }
    for (const gone of before.values()) void gone.close();
    for (const source of site().gridSignals) if (!running.has(source.id)) running.set(source.id, run(source));
  }

  /** A write is a sign of life where something in it is new: a controller that hangs writes the same for ever. */
  function basePointTeller({ id, priority }: BasePointSource): (command: BasePointCommand) => void {
    let last: BasePointCommand | undefined;
    return (command) => {
      const isNew = last === undefined || !isDeepStrictEqual(last, command);
      const isSame = last?.basePointW === command.basePointW && last.enabled === command.enabled;
      last = command;
      if (isNew) book.heard(id);
      const known = book.source(id)?.told.get(BASE_POINT);
      if (isSame || (known === undefined && !command.enabled)) return;
      const importW = { least: command.basePointW, most: command.basePointW };
      const until = siteMs(Infinity);
      book.tell(id, {
        id: BASE_POINT,
        revision: Math.max(siteNow(), (known?.revision ?? 0) + 1),
        priority,
        spans: command.enabled ? [{ kind: 'set-point', importW, from: siteNow(), until }] : [],
        cancelled: !command.enabled,
      });
    };
  }

  function telemetryOf({ id }: BasePointSource): BasePointTelemetry {
    const booked = book.source(id);
    const { by } = following.standing();
    const isTold = booked?.told.get(BASE_POINT)?.cancelled === false;
    const isFirst = by[0]?.sourceId === id;
    const isFollowed = isTold && by.some(({ sourceId }) => sourceId === id);
    const bits: readonly (readonly [keyof typeof STATUS, boolean])[] = [
      ['following', isFollowed && trust() === 'auto'],
      ['stale', booked?.isStale ?? true],
      ['optedOut', booked?.optedOut.has(BASE_POINT) ?? false],
      ['shadow', trust() === 'shadow'],
      ['offTarget', following.isOffTarget()],
      ['overruled', isTold && by.length > 0 && !isFirst],
    ];
    const status = bits.reduce((sum, [name, isOn]) => sum + (isOn ? STATUS[name] : 0), 0);
    const known = telemetry ?? UNKNOWN;
    const ageMs = known.dataAgeMs === undefined ? undefined : known.dataAgeMs + (wallNow() - telemetryWall);
    return { ...known, dataAgeMs: ageMs, status };
  }

  function measure(picture: Picture): void {
    if (!site().gridSignals.some(({ kind }) => kind === 'base-point')) return;
    const { upW, downW } = availability(site(), picture, options.held());
    const { by, importW } = following.standing();
    telemetryWall = picture.wall;
    telemetry = {
      importW: picture.importW,
      availableUpW: upW,
      availableDownW: downW,
      rampWPerMinute: following.rampWPerMinute(),
      dataAgeMs: picture.importW === undefined ? undefined : picture.importAgeMs,
      demandedMostW: by.length === 0 ? undefined : importW.most,
      demandedLeastW: by.length === 0 ? undefined : importW.least,
    };
  }

  function mustKnow(sourceId: string, eventId: string): void {
    const told = book.source(sourceId)?.told.get(eventId);
    if (told === undefined) throw new GridRefusal(`no event ${eventId} of ${sourceId} is known`);
  }

  return {
    facts: (snapshot) => following.facts(snapshot, book.demands()),
    look(picture) {
      if (site().gridSignals.length === 0) return;
      book.look();
      following.look(book.demands(), picture.importW);
      measure(picture);
      refusals.look();
    },
    alarms: () => [
      ...book
        .sources()
        .filter(({ isStale }) => isStale)
        .map(({ source, problem }): RaisedAlarm => {
          const { policy, seconds } = source.stale;
          const message = `no sign of life for more than ${seconds} s, then ${policy}${problem === undefined ? '' : `: ${problem}`}`;
          return { code: 'grid-signal-stale', subject: source.id, message };
        }),
      ...following.alarms(),
    ],
    view: (picture, planW) =>
      viewOf({
        picture,
        planW,
        book,
        following,
        trust: trust(),
        wall: wallNow(),
        skewMs: (id) => running.get(id)?.ven?.skewMs(),
      }),
    async receive(sourceId, request) {
      const source = book.source(sourceId)?.source;
      if (source?.kind !== 'webhook') return undefined;
      const refuse = (refusal: Refusal): Refusal => {
        refusals.add(sourceId, refusal.why);
        return refusal;
      };
      const unixMs = io.unixNow();
      try {
        const key = webhookKey(io.secret(source.secret));
        book.problem(sourceId, undefined);
        const refusal = refusalOf(request, key, unixMs, (id) => book.isTaken(sourceId, id));
        if (refusal !== undefined) return refuse(refusal);
        const event = telling(request.body, source.priority, siteNow());
        const beyond = event === undefined ? [] : within(event, authorityOf(source)).beyond;
        if (beyond.length > 0) return refuse({ status: 403, why: `${event!.id}: ${beyond.join('; ')}` });
        const message = { id: request.id!, unixS: Number(request.timestamp), event };
        await book.take(sourceId, message, Math.floor(unixMs / 1_000));
        return 'taken';
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.kind === 'garbled') return refuse({ status: 400, why: error.message });
        // The site's own key is not there: nobody can be believed, and the sender is not told why.
        book.problem(sourceId, error.message);
        refusals.add(sourceId, error.message);
        return { status: 401, why: 'no message can be believed now: the site has no key for this source' };
      }
    },
    refused(sourceId, why) {
      if (book.source(sourceId)?.source.kind === 'webhook') refusals.add(sourceId, why);
    },
    async optOut(sourceId, eventId, who, why) {
      mustKnow(sourceId, eventId);
      await book.optOut(sourceId, eventId, who, why);
    },
    async optIn(sourceId, eventId, who, why) {
      if (book.source(sourceId)?.optedOut.has(eventId) !== true)
        throw new GridRefusal(`nobody opted out of ${eventId} of ${sourceId}`);
      await book.optIn(sourceId, eventId, who, why);
    },
    follow,
    async close() {
      await Promise.all([...running.values()].map(async (one) => one.close()));
    },
  };
}

const UNKNOWN: Omit<BasePointTelemetry, 'status'> = {
  importW: undefined,
  availableUpW: undefined,
  availableDownW: undefined,
  rampWPerMinute: undefined,
  dataAgeMs: undefined,
  demandedMostW: undefined,
  demandedLeastW: undefined,
};
