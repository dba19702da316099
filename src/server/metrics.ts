import type { Runtime } from './runtime.ts';
import { flowOf } from './flow.ts';

type Labels = Readonly<Record<string, string>>;

/** Prometheus text, written by hand: at this size a client library costs many times more. Unknown values are absent. */
export function metricsText(runtime: Runtime): string {
  const picture = runtime.picture();
  const out: string[] = [];
  const gauge = (name: string, help: string, samples: readonly (readonly [Labels, number | undefined])[]) => {
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`);
    for (const [labels, value] of samples) {
      if (value === undefined) continue;
      const text = Object.entries(labels)
        .map(([key, label]) => `${key}="${escape(label)}"`)
        .join(',');
      out.push(`${name}${text === '' ? '' : `{${text}}`} ${value}`);
    }
  };
  const flow = flowOf(runtime.site, picture, runtime.markets, runtime.plan(), runtime.curtailment);
  gauge('busbar_import_watts', 'Import at the feeder meter', [[{}, picture.importW]]);
  gauge('busbar_import_age_seconds', 'Site seconds since the feeder meter answered', [
    [{}, picture.importAgeMs === undefined ? undefined : picture.importAgeMs / 1000],
  ]);
  gauge('busbar_connection_limit_watts', 'Limit of the connection', [[{}, runtime.site.connection.limitMw * 1e6]]);
  gauge(
    'busbar_hall_watts',
    'Power at the hall meter',
    picture.halls.map((h) => [{ hall: h.hall.id }, h.meterW]),
  );
  gauge(
    'busbar_machines',
    'Machines by state',
    Object.entries(picture.byState).map(([state, n]) => [{ state }, n]),
  );
  gauge('busbar_hashrate_ths', 'Hashrate of the miners that answer', [
    [{}, picture.hashrateThs.of === 0 ? undefined : picture.hashrateThs.value],
  ]);
  gauge('busbar_hashrate_machines', 'Miners that the hashrate covers', [[{}, picture.hashrateThs.of]]);
  gauge(
    'busbar_line_watts',
    'Power by line of business, cooling and losses included',
    Object.entries(flow.lines).map(([line, f]) => [{ line }, f.powerW]),
  );
  gauge(
    'busbar_line_revenue_usd_per_hour',
    'Revenue rate by line of business',
    Object.entries(flow.lines).map(([line, f]) => [{ line }, f.revenueUsdPerHour]),
  );
  gauge('busbar_price_usd_per_mwh', 'Real-time price', [[{}, runtime.markets.value('priceUsdPerMwh', picture.at)]]);
  gauge(
    'busbar_gpus',
    'GPUs by class of work and state',
    picture.work.flatMap((one) => [
      [{ class: one.workClass.id, state: 'running' }, one.runningGpus] as const,
      [{ class: one.workClass.id, state: 'queued' }, one.queuedGpus] as const,
      [{ class: one.workClass.id, state: 'held' }, one.heldGpus] as const,
      [{ class: one.workClass.id, state: 'paused' }, one.pausedGpus] as const,
    ]),
  );
  gauge('busbar_plan_import_watts', 'Import planned for now', [[{}, flow.planImportW]]);
  gauge('busbar_commands_in_flight', 'Commands sent or acknowledged, not yet seen', [
    [{}, runtime.reconciler.inFlight()],
  ]);
  gauge(
    'busbar_alarms',
    'Standing alarms',
    Object.entries(Object.groupBy(runtime.alarms(), ({ code }) => code)).map(([code, list]) => [
      { code },
      list?.length,
    ]),
  );
  gauge('busbar_loop_lag_seconds', 'Wall seconds the slowest loop is behind', [[{}, runtime.lagMs() / 1000]]);
  gauge('busbar_read_all_seconds', 'Wall seconds the last sweep over all machines took', [
    [{}, last(runtime.measurements.readAllMs)],
  ]);
  gauge('busbar_site_time_seconds', 'Site clock, seconds since 1970', [[{}, picture.at / 1000]]);
  gauge('busbar_site_clock_speed', 'Site seconds per wall second', [[{}, runtime.clock.speed]]);
  return `${out.join('\n')}\n`;
}

const escape = (label: string): string => label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const last = (list: readonly number[]): number | undefined => (list.length === 0 ? undefined : list.at(-1)! / 1000);
