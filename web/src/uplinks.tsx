import type { Overview } from '../../src/model/api.ts';
import { age, hallWord, known, number } from './format.ts';
import { Card, Figure, ToneMark } from './parts.tsx';

type Uplink = Overview['uplinks'][number];

/** Gbit/s from ten of them on, else Mbit/s. */
const rate = (mbps: number | null): { text: string; unit: string } =>
  known(mbps) && mbps >= 10_000
    ? { text: number(mbps / 1000, 1), unit: 'Gbit/s' }
    : { text: number(mbps, known(mbps) && mbps < 10 ? 1 : 0), unit: 'Mbit/s' };

function Bar({ uplink }: { uplink: Uplink }) {
  const share = (mbps: number | null): number => Math.min(100, ((mbps ?? 0) / uplink.capacityMbps) * 100);
  const label = `${number(uplink.inMbps)} in and ${number(uplink.outMbps)} out of ${number(uplink.capacityMbps)} Mbit/s; planned work moves ${number(uplink.plannedMbps)}`;
  return (
    <span className="link-bar" role="img" aria-label={label} title={label}>
      <span className="link-in" style={{ width: `${share(uplink.inMbps)}%` }} />
      <span className="link-out" style={{ width: `${share(uplink.outMbps)}%` }} />
      {uplink.plannedMbps > 0 && <span className="link-planned" style={{ left: `${share(uplink.plannedMbps)}%` }} />}
    </span>
  );
}

function Row({ uplink }: { uplink: Uplink }) {
  const state = uplink.up === null ? 'unknown' : uplink.up ? 'up' : 'down';
  const into = rate(uplink.inMbps);
  const out = rate(uplink.outMbps);
  return (
    <tr className={uplink.up === null ? 'is-old' : ''}>
      <th scope="row" className="link-name">
        {uplink.name}
        <span className="row-detail">
          {uplink.up === false && <ToneMark tone="fault" />} hall {hallWord(uplink.hallId)}, {state},{' '}
          {known(uplink.ageMs) ? `read ${age(uplink.ageMs)} ago` : 'never read'}
        </span>
      </th>
      <td className="link-cell">
        <Bar uplink={uplink} />
      </td>
      <td className="num">
        <Figure text={into.text} unit={into.unit} title="Into the site" />
        <span className="row-detail">
          <Figure text={out.text} unit={`${out.unit} out`} title="Out of the site" />
        </span>
      </td>
    </tr>
  );
}

/** How halls reach the world, where the site file names it. */
export function UplinksSection({ overview: { uplinks } }: { overview: Overview }) {
  if (uplinks.length === 0) return null;
  return (
    <Card id="uplinks" title="Uplinks">
      <table className="price-table uplinks">
        <thead className="sr-only">
          <tr>
            <th>Line</th>
            <th>Load</th>
            <th>Rates</th>
          </tr>
        </thead>
        <tbody>
          {uplinks.map((uplink) => (
            <Row key={uplink.id} uplink={uplink} />
          ))}
        </tbody>
      </table>
    </Card>
  );
}
