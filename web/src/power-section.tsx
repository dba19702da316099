import type { Overview } from '../../src/model/api.ts';
import { age, inUnitOf, known, number, power, powerUnit } from './format.ts';
import { showMachines } from './hooks.ts';
import { Card, Empty, Figure, LINE_WORDS, STATES, StateMark, Swatch } from './parts.tsx';
import { powerBar } from './power.ts';
import type { PowerBar, SegmentKey } from './power.ts';
import { plural } from './verdict.ts';

const SEGMENT_WORDS: Readonly<Record<SegmentKey, string>> = {
  mining: LINE_WORDS.mining,
  ai: LINE_WORDS.ai,
  hpc: LINE_WORDS.hpc,
  other: LINE_WORDS.other,
  unknown: LINE_WORDS.unknown,
  sold: 'Block sold',
  room: 'Room',
};

const SEGMENT_ABOUT: Readonly<Record<SegmentKey, string>> = {
  mining: 'Miners with their share of cooling and losses',
  ai: 'AI work with its share of cooling and losses',
  hpc: 'HPC work with its share of cooling and losses',
  other: 'Explained, but of no line: base cooling, idle hosts, losses',
  unknown: 'Import that nothing explains: what the meter saw less what machines, cooling and losses account for',
  sold: 'Part of the bought block that is not used: sold back at the real-time price',
  room: 'What the connection could still carry',
};

/** Ages come on the site clock; a meter is old by the wall. */
const OLD_METER_WALL_MS = 5000;

/** Meters and machines are never read at the same instant: smaller differences mean nothing. */
const EXCESS_WORTH_SAYING = 0.005;

function Bar({ bar, limitW, targetW }: { bar: PowerBar; limitW: number; targetW: number | undefined }) {
  const targetAt = targetW === undefined ? undefined : Math.min(1, targetW / bar.scaleW);
  return (
    <div className="power-bar-wrap">
      <div className="power-marks" aria-hidden="true">
        <span className="power-mark block" style={{ left: `${bar.blockAt * 100}%` }} />
      </div>
      <div className="power-bar" role="img" aria-label={barLabel(bar)}>
        {bar.segments.map(({ key, watts, from, share }) => (
          <div
            key={key}
            className={`segment fill-${key}`}
            style={{ left: `${from * 100}%`, width: `${share * 100}%` }}
            title={`${SEGMENT_WORDS[key]} ${power(watts)}. ${SEGMENT_ABOUT[key]}`}
          >
            {share > 0.07 && (
              <span className="segment-label">
                <span>{SEGMENT_WORDS[key]}</span> <span className="figure">{inUnitOf(limitW, watts)}</span>
              </span>
            )}
          </div>
        ))}
        {bar.overLimit && <span className="limit-line" style={{ left: `${bar.limitAt * 100}%` }} />}
        <span className="block-line" style={{ left: `${bar.blockAt * 100}%` }} />
      </div>
      {targetAt !== undefined && (
        <span className="target-mark" style={{ left: `${targetAt * 100}%` }} aria-hidden="true" />
      )}
    </div>
  );
}

const barLabel = (bar: PowerBar): string =>
  bar.segments.map(({ key, watts }) => `${SEGMENT_WORDS[key]} ${power(watts)}`).join(', ');

function Legend({ bar, lines }: { bar: PowerBar; lines: Overview['lines'] }) {
  const keys: SegmentKey[] = ['mining', 'ai', 'hpc', 'other', 'unknown', 'sold', 'room'];
  return (
    <dl className="power-legend">
      {keys.map((key) => {
        const segment = bar.segments.find((s) => s.key === key);
        const silent = bar.silentLines.includes(key);
        if (segment === undefined && !silent && !lines.some((l) => l.line === key) && key !== 'room') return null;
        return (
          <div key={key} title={SEGMENT_ABOUT[key]}>
            <dt>
              <Swatch of={key} />
              {SEGMENT_WORDS[key]}
            </dt>
            <dd>
              <Figure text={silent ? power(null) : power(segment?.watts ?? 0)} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

export function PowerSection({ overview }: { overview: Overview }) {
  const { connection, lines, plan } = overview;
  const bar = powerBar(connection, lines);
  const old = known(connection.ageMs) && connection.ageMs > OLD_METER_WALL_MS * overview.clock.speed;
  return (
    <Card
      id="power"
      title="Power, from the grid to the work"
      aside={
        <span className={old ? 'tone-warn' : 'muted'} title="Site time since the feeder meter answered">
          feeder meter{' '}
          <span className="figure">{known(connection.ageMs) ? `${age(connection.ageMs)} ago` : 'silent'}</span>
        </span>
      }
    >
      <div className="power-head">
        <p className={bar?.overLimit === true ? 'power-now tone-fault' : 'power-now'}>
          <Figure text={inUnitOf(connection.limitW, connection.importW)} title="The feeder meter has not answered" />
          <span className="of">
            {' '}
            of {inUnitOf(connection.limitW, connection.limitW)} {powerUnit(connection.limitW).unit}
          </span>
        </p>
        <dl className="power-facts">
          <div>
            <dt>
              <span className="key-target" aria-hidden="true" />
              planned
            </dt>
            <dd>{plan === null ? <span className="muted">no plan</span> : <Figure text={power(plan.targetW)} />}</dd>
          </div>
          <div title="Bought ahead at a fixed price; what is not used of it is sold at real time">
            <dt>
              <span className="key-block" aria-hidden="true" />
              block
            </dt>
            <dd>
              <Figure text={power(connection.blockW)} />
            </dd>
          </div>
          <div>
            <dt>limit</dt>
            <dd>
              <Figure text={power(connection.limitW)} />
            </dd>
          </div>
        </dl>
      </div>
      {bar === undefined ? (
        <Empty title="Import unknown">
          The feeder meter has not answered, so nothing can be drawn against the limit.
        </Empty>
      ) : (
        <>
          <Bar bar={bar} limitW={connection.limitW} targetW={plan?.targetW} />
          <Legend bar={bar} lines={lines} />
          {bar.excessW >= connection.limitW * EXCESS_WORTH_SAYING && (
            <p className="note">
              <StateMark state="degraded" /> Machines claim {power(bar.excessW)} more than the feeder meter saw.
            </p>
          )}
        </>
      )}
      <ul className="halls">
        {overview.halls.map((hall) => (
          <HallMini key={hall.id} hall={hall} />
        ))}
      </ul>
    </Card>
  );
}

type Hall = Overview['halls'][number];

const NEAR_BREAKER = 0.99;

function HallMini({ hall }: { hall: Hall }) {
  const share = known(hall.meterW) ? hall.meterW / hall.breakerW : undefined;
  const tone = share === undefined ? '' : share > 1 ? 'over' : share > NEAR_BREAKER ? 'near' : '';
  const odd = STATES.filter(({ state }) => !CALM.has(state) && hall.byState[state] > 0);
  const said = `Machines say ${power(hall.machinesW.value)}, ${number(hall.machinesW.of)} of ${number(hall.machinesW.total)} of them`;
  return (
    <li className="hall">
      <div className="hall-head">
        <h3>{hall.name}</h3>
        <span className="hall-power" title={said}>
          <Figure text={inUnitOf(hall.breakerW, hall.meterW, 2)} title="The hall's meter has not answered" />
          <span className="unit">
            {' '}
            / {inUnitOf(hall.breakerW, hall.breakerW)} {powerUnit(hall.breakerW).unit}
          </span>
        </span>
      </div>
      <div
        className="hall-bar"
        role="img"
        aria-label={`${power(hall.meterW)} of ${power(hall.breakerW)} at the breaker`}
      >
        {share !== undefined && <span className={tone} style={{ width: `${Math.min(1, share) * 100}%` }} />}
      </div>
      <div className="state-bar" role="img" aria-label={statesLabel(hall)}>
        {STATES.map(({ state, word }) => {
          const n = hall.byState[state];
          return n > 0 ? (
            <span key={state} className={`bg-${state}`} style={{ flexGrow: n }} title={`${word} ${number(n)}`} />
          ) : null;
        })}
      </div>
      <p className="hall-foot">
        <button type="button" className="link" onClick={() => showMachines({ hall: hall.id })}>
          {plural(hall.machines, 'machine')}
        </button>
        <span className="figure" title="Hottest sensor of the hall">
          {known(hall.hottestC) ? `${number(hall.hottestC)} °C` : 'heat unknown'}
        </span>
      </p>
      <p className="hall-foot">
        {odd.length === 0 && <span>nothing abnormal</span>}
        {odd.map(({ state, word }) => (
          <button
            key={state}
            type="button"
            className={`link text-${state}`}
            onClick={() => showMachines({ hall: hall.id, state })}
          >
            <StateMark state={state} />
            <span className="figure">{number(hall.byState[state])}</span>
            <span className="sr-only"> {word}</span>
          </button>
        ))}
      </p>
    </li>
  );
}

const CALM = new Set<string>(['running', 'curtailed', 'idle']);

const statesLabel = (hall: Hall): string =>
  STATES.filter(({ state }) => hall.byState[state] > 0)
    .map(({ state, word }) => `${word} ${number(hall.byState[state])}`)
    .join(', ');
