import type { IncomingMessage } from 'node:http';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import type { Host, HttpAnswer } from '../net.ts';
import { carryOut, json, objectIn } from '../web.ts';
import type { Endpoint } from '../world.ts';

/** A Bitaxe with AxeOS 2.4, which knows no sleep; a group whose settings say that it can pause carries 2.14. */
export const bitaxe: Firmware = {
  name: 'bitaxe',
  ports: { web: { kind: 'http', answer: (...asked) => page(OLD, ...asked) } },
  variant: ({ pause }) => (pause === true ? newer : bitaxe),
};

const newer: Firmware = { ...bitaxe, ports: { web: { kind: 'http', answer: (...asked) => page(NEW, ...asked) } } };

const OLD = { version: 'v2.4.5', canPause: false } as const;
const NEW = { version: 'v2.14.0', canPause: true } as const;
type Release = typeof OLD | typeof NEW;

const HTML = { 'content-type': 'text/html' };
const NOT_FOUND: HttpAnswer = { status: 404, headers: HTML, body: 'Nothing matches the given URI' };
const BUSY: HttpAnswer = { status: 500, headers: HTML, body: 'Internal server error' };

function page(release: Release, host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const i = endpoint.index;
  const said = (message: string, act: () => void): HttpAnswer =>
    carryOut(host, endpoint, act) ? json({ message }) : BUSY;
  switch (`${request.method ?? 'GET'} ${(request.url ?? '/').split('?')[0]!}`) {
    case 'GET /':
      return { status: 200, headers: HTML, body: '<!doctype html><html><head><title>AxeOS</title></head></html>' };
    case 'GET /api/system/info':
      return json(info(release, host, endpoint));
    case 'GET /api/system/asic':
      return json({ ASICModel: 'BM1370', deviceModel: 'Gamma', asicCount: 1, defaultFrequency: 525 });
    case 'PATCH /api/system':
      return patch(host, endpoint, objectIn(body));
    case 'POST /api/system/restart':
      // A pause does not outlive a restart.
      if (release.canPause) host.send({ op: 'wake', i });
      host.send({ op: 'reboot', i });
      return json({ message: 'System will restart shortly.' });
    case 'POST /api/system/identify': {
      if (!release.canPause) return NOT_FOUND;
      const on = !minerFacts(host, endpoint).locating;
      const words = on ? 'The device says "Hi!" for 30 seconds.' : 'The device no longer says "Hi!".';
      return said(words, () => host.send({ op: 'locate', i, on }));
    }
    case 'POST /api/system/pause':
      return release.canPause ? said('Mining paused', () => host.send({ op: 'sleep', i })) : NOT_FOUND;
    case 'POST /api/system/resume':
      return release.canPause ? said('Mining resumed', () => host.send({ op: 'wake', i })) : NOT_FOUND;
    default:
      return NOT_FOUND;
  }
}

/** Settings that are not named stay; a pool without a host is none. */
function patch(host: Host, endpoint: Endpoint, given: Readonly<Record<string, unknown>>): HttpAnswer {
  const held = minerFacts(host, endpoint).pools;
  const pools = ['stratum', 'fallbackStratum'].flatMap((prefix, i): SimPool[] => {
    const before = held[i];
    const url = given[`${prefix}URL`];
    if (url === '') return [];
    if (typeof url !== 'string') return before === undefined ? [] : [before];
    // Some clients write the whole address into the field of the host.
    const [, host, port = 3333] = /^(?:.*:\/\/)?([^:/]*)(?::(\d+))?/.exec(url) ?? [];
    const word = (key: string, otherwise: string): string =>
      typeof given[`${prefix}${key}`] === 'string' ? (given[`${prefix}${key}`] as string) : otherwise;
    return [
      {
        url: `stratum+tcp://${host}:${Number(given[`${prefix}Port`] ?? port)}`,
        user: word('User', before?.user ?? ''),
        password: word('Password', before?.password ?? ''),
      },
    ];
  });
  const done = carryOut(host, endpoint, () => host.send({ op: 'pools', i: endpoint.index, pools }));
  return done ? json({}) : BUSY;
}

function info({ version, canPause }: Release, host: Host, endpoint: Endpoint): object {
  const facts = minerFacts(host, endpoint);
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
    ...pool(facts, 0, 'stratum'),
    ...pool(facts, 1, 'fallbackStratum'),
    version,
    boardVersion: '601',
    runningPartition: 'ota_0',
    overheat_mode: 0,
    autofanspeed: 1,
    fanspeed: facts.fanPct,
    fanrpm: facts.fanRpm[0] ?? 0,
    ...(canPause
      ? {
          axeOSVersion: version,
          temp2: -1,
          fan2rpm: 0,
          expectedHashrate: facts.point.hashThs * 1000,
          miningPaused: facts.curtailed,
        }
      : {}),
  };
}

function pool(facts: MinerFacts, n: number, prefix: string): object {
  const held = facts.pools[n];
  const [, at = '', port = '3333'] = /^(?:.*:\/\/)?([^:/]*)(?::(\d+))?/.exec(held?.url ?? '') ?? [];
  return { [`${prefix}URL`]: at, [`${prefix}Port`]: Number(port), [`${prefix}User`]: held?.user ?? '' };
}
