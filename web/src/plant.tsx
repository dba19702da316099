import { useQuery } from '@tanstack/react-query';
import type { PlantPage, PoolsPage } from '../../src/model/machines-api.ts';
import { age, hallWord, known, number } from './format.ts';
import { api } from './http.ts';
import { Card, Figure, ToneMark } from './parts.tsx';

/** Both change slowly, and no event of the stream tells of them. */
const LOOK_EVERY_MS = 10_000;

const usePools = () =>
  useQuery({
    queryKey: ['pools'],
    queryFn: ({ signal }) => api<PoolsPage>('/pools', { signal }),
    refetchInterval: LOOK_EVERY_MS,
  });
const usePlant = () =>
  useQuery({
    queryKey: ['plant'],
    queryFn: ({ signal }) => api<PlantPage>('/devices', { signal }),
    refetchInterval: LOOK_EVERY_MS,
  });

type Pool = PoolsPage['listed'][number];

function PoolRow({ pool }: { pool: Pool }) {
  const state = pool.alive === null ? 'not asked yet' : pool.alive ? 'alive' : 'dead';
  return (
    <tr className={pool.alive === null ? 'is-old' : ''}>
      <th scope="row" className="link-name">
        {pool.id}
        <span className="row-detail">
          {pool.alive === false && <ToneMark tone="fault" />} {state}, {pool.url.replace(/^stratum\+tcp:\/\//, '')}
        </span>
        {pool.fault !== null && <span className="row-detail">{pool.fault}</span>}
      </th>
      <td className="num">
        <Figure text={number(pool.machines)} unit="miners" title="Miners seen working for it" />
        <span className="row-detail">last job {known(pool.jobAgeMs) ? `${age(pool.jobAgeMs)} ago` : 'unknown'}</span>
      </td>
      <td className="num">
        <Figure text={number(pool.latencyMs)} unit="ms" title="How long the pool takes to answer the site itself" />
      </td>
    </tr>
  );
}

/** Where the hash goes: the list in force, how its pools are, and miners seen elsewhere. */
export function PoolsSection() {
  const { data: page } = usePools();
  if (page === undefined || (page.listed.length === 0 && page.pending === null)) return null;
  const { strangers, pending } = page;
  return (
    <Card id="pools" title="Pools">
      {strangers.length > 0 && (
        <p className="card-note">
          <ToneMark tone="fault" /> {number(strangers.length)} {strangers.length === 1 ? 'miner works' : 'miners work'}{' '}
          for a pool or worker that is not on the list: {strangers[0]?.machine}, {strangers[0]?.seen}
        </p>
      )}
      {pending !== null && (
        <p className="card-note">
          <ToneMark tone="warn" /> The site file names other pools than those in force.{' '}
          {pending.askedBy === null
            ? 'An admin and a second person'
            : `${pending.askedBy} asked for them: a second person`}{' '}
          must agree (<span className="mono">busbar pools approve</span>).
        </p>
      )}
      <table className="price-table uplinks">
        <thead className="sr-only">
          <tr>
            <th>Pool</th>
            <th>Miners</th>
            <th>Latency</th>
          </tr>
        </thead>
        <tbody>
          {page.listed.map((pool) => (
            <PoolRow key={pool.id} pool={pool} />
          ))}
        </tbody>
      </table>
      <p className="row-detail">
        {number(page.told)} of {number(page.miners)} miners told their pools.
      </p>
    </Card>
  );
}

type Device = PlantPage['devices'][number];

const outletText = ({ index, feeds }: NonNullable<Device['outlets']>[number]): string =>
  feeds === null ? String(index) : `${index} (${feeds})`;
const runningWord = (running: boolean | null | undefined): string =>
  running === true ? 'running' : running === false ? 'stopped' : 'running or not: unknown';

function DeviceRow({ device }: { device: Device }) {
  const { cooling, outlets } = device;
  const on = outlets?.filter((outlet) => outlet.on === true).length;
  const off = outlets?.filter((outlet) => outlet.on === false) ?? [];
  return (
    <tr className={device.fault === null ? '' : 'is-old'}>
      <th scope="row" className="link-name">
        {device.name ?? device.id}
        <span className="row-detail">
          {device.fault !== null && <ToneMark tone="fault" />} hall {hallWord(device.hallId)},{' '}
          {known(device.ageMs) ? `read ${age(device.ageMs)} ago` : 'never read'}
        </span>
        {device.fault !== null && <span className="row-detail">{device.fault}</span>}
        {off.length > 0 && <span className="row-detail">off: {off.map(outletText).join(', ')}</span>}
      </th>
      <td className="num">
        {device.kind === 'pdu' ? (
          <>
            <Figure
              text={number(known(device.powerW) ? device.powerW / 1000 : null, 1)}
              unit="kW"
              title="What it delivers"
            />
            <span className="row-detail">
              {outlets === null ? 'outlets unknown' : `${number(on)} of ${number(outlets.length)} outlets on`}
            </span>
          </>
        ) : (
          <>
            <Figure text={number(cooling?.supplyC ?? null, 1)} unit="°C" title="What it delivers" />
            <span className="row-detail">
              {runningWord(cooling?.running)}, set {number(cooling?.setPointC, 1)} °C
            </span>
            <span className="row-detail">
              returns {number(cooling?.returnC, 1)} °C
              {known(cooling?.flowLpm) && `, ${number(cooling.flowLpm)} l/min`}
            </span>
          </>
        )}
      </td>
    </tr>
  );
}

/** PDUs and cooling plant, where the site file names them. */
export function PlantSection() {
  const { data: page } = usePlant();
  if (page === undefined || page.devices.length === 0) return null;
  return (
    <Card id="plant" title="PDUs and cooling plant">
      <table className="price-table uplinks">
        <thead className="sr-only">
          <tr>
            <th>Device</th>
            <th>Says</th>
          </tr>
        </thead>
        <tbody>
          {page.devices.map((device) => (
            <DeviceRow key={device.id} device={device} />
          ))}
        </tbody>
      </table>
    </Card>
  );
}
