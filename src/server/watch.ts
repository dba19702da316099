import type { RaisedAlarm } from '../alarms/catalogue.ts';
import { ALARMS } from '../alarms/catalogue.ts';
import { feederFacts, isoUtc, powerText, valueAt, type Plan, type Site, type SiteMs } from '../model/index.ts';
import type { HistoryUsage } from '../store/history/samples.ts';
import type { Picture, PictureSources } from './picture.ts';
import { METER_STALE_MS } from './picture.ts';
import { UPLINK_STALE_MS } from './uplinks.ts';

export interface StandingAlarm extends RaisedAlarm {
  readonly since: SiteMs;
}

export interface WatchFacts {
  readonly plan: Plan | undefined;
  readonly planEveryMs: number;
  readonly lastPlanWallMs: number | undefined;
  readonly failedCommands: number;
  readonly sweepBehindMs: number;
  readonly readEveryMs: number;
  /** Why history could not be saved. */
  readonly historyFailure: string | undefined;
  readonly historyUsage: HistoryUsage | undefined;
  /** Why the store cannot be written. */
  readonly storeFailure: string | undefined;
  /** Clusters that did not answer, with the reason. */
  readonly clusterFailures: ReadonlyMap<string, string>;
  /** Nothing is judged before every machine was asked once. */
  readonly settled: boolean;
}

const MW = 1e6;

/** Everything that is wrong now. */
export function watch(sources: PictureSources, picture: Picture, facts: WatchFacts): RaisedAlarm[] {
  return [
    ...meterAlarms(sources, picture),
    ...(facts.settled ? machineAlarms(picture, facts) : []),
    ...hotAlarms(sources, picture),
    ...uplinkAlarms(sources),
    ...feedAlarms(sources, picture),
    ...planAlarms(facts),
    ...historyAlarms(facts),
    ...(facts.storeFailure === undefined
      ? []
      : [{ code: 'store-failed' as const, subject: 'store', message: facts.storeFailure }]),
    ...[...facts.clusterFailures].map(([id, why]): RaisedAlarm => ({
      code: 'cluster-silent',
      subject: id,
      message: why,
    })),
  ];
}

function meterAlarms({ site, plant, wallNow }: PictureSources, picture: Picture): RaisedAlarm[] {
  const alarms: RaisedAlarm[] = [];
  for (const { meter, readWall, fault } of plant.meters) {
    if (readWall !== undefined && wallNow() - readWall <= METER_STALE_MS) continue;
    if (readWall === undefined && fault === undefined) continue;
    alarms.push({ code: 'meter-silent', subject: meter.id, message: fault?.message ?? 'no answer' });
  }
  const limitW = site.connection.limitMw * MW;
  if (picture.importW !== undefined && picture.importW > limitW) {
    const message = `${powerText(picture.importW)} at a limit of ${powerText(limitW)}`;
    alarms.push({ code: 'connection-over-limit', subject: 'connection', message });
  }
  alarms.push(...feederAlarms(site, picture));
  for (const h of picture.halls) {
    const breakerW = h.hall.breakerMw * MW;
    if (h.meterW === undefined) continue;
    if (h.meterW > breakerW) {
      alarms.push({
        code: 'hall-over-breaker',
        subject: h.hall.id,
        message: `${powerText(h.meterW)} at a rating of ${powerText(breakerW)}`,
      });
    }
    const dead = h.byState.unreachable + h.byState.stale;
    const total = Object.values(h.byState).reduce((sum, n) => sum + n, 0);
    // Readings lag behind the meter: machines that still claim to draw when it reads nothing are dark already.
    const claims = h.machinesW.value > 0.1 * breakerW || dead > 0.9 * total;
    if (h.meterW < 0.001 * breakerW && total > 0 && claims) {
      alarms.push({
        code: 'hall-dark',
        subject: h.hall.id,
        message: `the meter reads ${(h.meterW / 1000).toFixed(0)} kW and ${dead} of ${total} machines are silent`,
      });
    }
  }
  const { importW, explainedW } = picture;
  // Readings of a changing site are seconds apart: only a large and lasting difference means something.
  // Nobody meters what is made on site: there, the feeder's reading explains nothing.
  if (
    site.generation.length === 0 &&
    importW !== undefined &&
    importW > MW &&
    Math.abs(importW - explainedW) > 0.15 * importW
  ) {
    alarms.push({
      code: 'meter-mismatch',
      subject: 'connection',
      message: `the feeder reads ${powerText(importW)}, machines, cooling and losses explain ${powerText(explainedW)}`,
    });
  }
  return alarms;
}

/** A feeder below which a meter is silent is not judged: that meter has an alarm of its own. */
export function feederAlarms(
  site: Pick<Site, 'feeders' | 'connection'>,
  picture: Pick<Picture, 'halls'>,
): RaisedAlarm[] {
  const meterW = new Map(picture.halls.map((h) => [h.hall.id, h.meterW]));
  return feederFacts(site).flatMap(({ id, hallIds }): RaisedAlarm[] => {
    const ratingW = site.feeders.find((feeder) => feeder.id === id)!.ratingMw * MW;
    const below = hallIds.map((hallId) => meterW.get(hallId)).filter((watts) => watts !== undefined);
    const drawnW = below.reduce((sum, watts) => sum + watts, 0) * (1 + site.connection.lossPct / 100);
    if (below.length < hallIds.length || drawnW <= ratingW) return [];
    return [
      { code: 'feeder-over-rating', subject: id, message: `${powerText(drawnW)} at a rating of ${powerText(ratingW)}` },
    ];
  });
}

function machineAlarms(picture: Picture, facts: WatchFacts): RaisedAlarm[] {
  const alarms: RaisedAlarm[] = [];
  for (const h of picture.halls) {
    const total = Object.values(h.byState).reduce((sum, n) => sum + n, 0);
    const silent = h.byState.unreachable;
    if (silent > 0)
      alarms.push({
        code: 'machines-silent',
        subject: h.hall.id,
        message: `${silent} of ${total} machines of ${h.hall.name} do not answer`,
      });
    if (h.byState.faulted > 0)
      alarms.push({
        code: 'machines-faulted',
        subject: h.hall.id,
        message: `${h.byState.faulted} of ${total} machines of ${h.hall.name}`,
      });
  }
  if (facts.failedCommands > 0) {
    alarms.push({
      code: 'commands-failed',
      subject: 'control',
      message: `${facts.failedCommands} machines did not carry out their last command`,
    });
  }
  if (facts.sweepBehindMs > 2 * facts.readEveryMs) {
    alarms.push({
      code: 'reading-behind',
      subject: 'fleet',
      message: `the last sweep took ${(facts.sweepBehindMs / 1000).toFixed(1)} s longer than its cadence`,
    });
  }
  return alarms;
}

function hotAlarms({ site }: PictureSources, picture: Picture): RaisedAlarm[] {
  const { hottestC } = site.limits;
  if (hottestC === undefined) return [];
  return picture.halls.flatMap((h): RaisedAlarm[] =>
    h.hottestC !== undefined && h.hottestC > hottestC
      ? [{ code: 'machine-hot', subject: h.hall.id, message: `${h.hottestC.toFixed(0)} C at a limit of ${hottestC} C` }]
      : [],
  );
}

function uplinkAlarms({ uplinks, wallNow }: PictureSources): RaisedAlarm[] {
  return uplinks.list.flatMap(({ uplink, link, readWall, fault, inMbps, outMbps, newErrors }): RaisedAlarm[] => {
    const subject = uplink.id;
    const asked = readWall !== undefined || fault !== undefined;
    if (asked && (readWall === undefined || wallNow() - readWall > UPLINK_STALE_MS))
      return [{ code: 'uplink-silent', subject, message: fault?.message ?? 'no answer' }];
    if (link?.up === false) return [{ code: 'uplink-down', subject, message: `hall ${uplink.hall}: the port is down` }];
    const loadMbps = Math.max(inMbps ?? 0, outMbps ?? 0);
    const loaded = loadMbps > (uplink.capacityMbps * uplink.alarmPct) / 100;
    const told = `${loadMbps.toFixed(0)} of ${uplink.capacityMbps} Mbit/s`;
    return [
      ...(loaded ? [{ code: 'uplink-loaded' as const, subject, message: told }] : []),
      ...((newErrors ?? 0) > 0
        ? [{ code: 'uplink-errors' as const, subject, message: `${newErrors} since the last look` }]
        : []),
    ];
  });
}

function feedAlarms({ markets }: PictureSources, picture: Picture): RaisedAlarm[] {
  const alarms: RaisedAlarm[] = [...markets.failures].map(([subject, message]) => ({
    code: 'feed-failed',
    subject,
    message,
  }));
  const price = markets.series.get('priceUsdPerMwh');
  const now = price && valueAt(price, picture.at);
  if (now === undefined || now.stale) {
    const newest = price?.points.at(-1);
    alarms.push({
      code: 'price-stale',
      subject: 'priceUsdPerMwh',
      message: newest === undefined ? 'no price yet' : `the newest is of ${isoUtc(newest.start)}`,
    });
  }
  for (const series of markets.series.values()) {
    if (series.name === 'priceUsdPerMwh') continue;
    const value = valueAt(series, picture.at);
    if (value?.stale === true)
      alarms.push({
        code: 'feed-stale',
        subject: series.name,
        message: `held since ${isoUtc(picture.at - value.ageMs)}`,
      });
  }
  return alarms;
}

function historyAlarms({ historyFailure, historyUsage }: WatchFacts): RaisedAlarm[] {
  if (historyFailure !== undefined) return [{ code: 'history-failed', subject: 'history', message: historyFailure }];
  if (historyUsage === undefined || historyUsage.trimmedDays === 0) return [];
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const { trimmedDays, bytes, budgetBytes } = historyUsage;
  const message = `${trimmedDays} days given up early; ${gb(bytes)} of ${gb(budgetBytes)} in use`;
  return [{ code: 'history-full', subject: 'history', message }];
}

function planAlarms({ plan, planEveryMs, lastPlanWallMs }: WatchFacts): RaisedAlarm[] {
  const alarms: RaisedAlarm[] = [];
  if (plan?.solver === 'merit-order') {
    alarms.push({ code: 'solver-failed', subject: 'plan', message: plan.notes.join('; ') || 'no reason given' });
  }
  if (plan?.status === 'limits-exceeded')
    alarms.push({ code: 'limits-exceeded', subject: 'plan', message: plan.notes.join('; ') });
  if (lastPlanWallMs !== undefined && lastPlanWallMs > 3 * planEveryMs + 10_000) {
    alarms.push({
      code: 'plan-late',
      subject: 'plan',
      message: `the last one took over ${(lastPlanWallMs / 1000).toFixed(0)} s ago`,
    });
  }
  return alarms;
}

/** Remembers since when an alarm stands: by code and subject, whatever its figures say. */
export function createAlarmBook(): { update(raised: readonly RaisedAlarm[], at: SiteMs): readonly StandingAlarm[] } {
  let standing = new Map<string, StandingAlarm>();
  const rank = { critical: 0, warning: 1, info: 2 } as const;
  return {
    update(raised, at) {
      const key = (alarm: RaisedAlarm) => `${alarm.code} ${alarm.subject}`;
      standing = new Map(
        raised.map((alarm) => [key(alarm), { ...alarm, since: standing.get(key(alarm))?.since ?? at }]),
      );
      return [...standing.values()].sort(
        (a, b) => rank[ALARMS[a.code].severity] - rank[ALARMS[b.code].severity] || b.since - a.since,
      );
    },
  };
}
