import type { IncomingMessage } from 'node:http';
import type { Firmware } from '../firmware.ts';
import { minerFacts } from '../miner-facts.ts';
import type { Host, HttpAnswer } from '../net.ts';
import type { Endpoint } from '../world.ts';

export const bitaxe: Firmware = { name: 'bitaxe', ports: { web: { kind: 'http', answer: page } } };

/** A Bitaxe with AxeOS: `GET /api/system/info` as 2.4 answers it, and a restart. It knows no sleep. */
function page(host: Host, endpoint: Endpoint, request: IncomingMessage): HttpAnswer {
  const route = `${request.method ?? 'GET'} ${(request.url ?? '/').split('?')[0]!}`;
  if (route === 'GET /api/system/info')
    return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(info(host, endpoint)) };
  if (route === 'POST /api/system/restart') {
    host.send({ op: 'reboot', i: endpoint.index });
    return { status: 200, headers: { 'content-type': 'text/html' }, body: 'System will restart shortly.' };
  }
  return { status: 404, headers: { 'content-type': 'text/html' }, body: 'Nothing matches the given URI' };
}

const JSON_HEADERS = { 'content-type': 'application/json' };

function info(host: Host, endpoint: Endpoint): object {
  const facts = minerFacts(host, endpoint);
  const pool = new URL(host.world.config.pool.url.replace(/^stratum\+tcp/, 'http'));
  return {
    power: facts.reportedW,
    voltage: 5110,
    current: (facts.reportedW / 5.11) * 1000,
    temp: facts.exhaustC,
    vrTemp: facts.exhaustC + 8,
    hashRate: facts.hashThs * 1000,
    bestDiff: '483k',
    bestSessionDiff: '12k',
    isUsingFallbackStratum: 0,
    freeHeap: 8_443_612,
    coreVoltage: 1150,
    coreVoltageActual: 1144,
    frequency: facts.point.frequencyMhz,
    macAddr: facts.mac.toUpperCase(),
    hostname: 'bitaxe',
    wifiStatus: 'Connected!',
    sharesAccepted: facts.accepted,
    sharesRejected: facts.rejected,
    uptimeSeconds: facts.elapsedS,
    asicCount: 1,
    smallCoreCount: 2040,
    ASICModel: 'BM1370',
    stratumURL: pool.hostname,
    fallbackStratumURL: pool.hostname,
    stratumPort: Number(pool.port || 3333),
    fallbackStratumPort: Number(pool.port || 3333),
    stratumUser: facts.worker,
    fallbackStratumUser: facts.worker,
    version: 'v2.4.5',
    boardVersion: '601',
    runningPartition: 'ota_0',
    overheat_mode: 0,
    fanspeed: facts.fanPct,
    fanrpm: facts.fanRpm[0] ?? 0,
  };
}
