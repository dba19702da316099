import type { HttpPort, HttpRequest, SecretRef, SiteMs, WallMs } from '../../model/index.ts';
import type { DriverIo } from '../driver.ts';
import { bacnetPort } from './bacnet.ts';
import { httpPort } from './http.ts';
import { PLAIN_URL } from './http1.ts';
import { modbusPort } from './modbus.ts';
import { programPort } from './program.ts';
import { snmpPort } from './snmp.ts';
import { tcpPort } from './tcp.ts';

/** Transports to machines and meters, and what is asked of the process they run in. */
export interface DriverWorld {
  readonly io: DriverIo;
  close(): Promise<void>;
}

export interface DriverWorldOptions {
  /** Added to every port spoken to: lets several emulated sites live on one machine. */
  readonly portOffset: number;
  /** The credential behind a reference. @throws Fault `unauthorised` */
  secret(ref: SecretRef): string;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

/** Opens every transport that drivers know; a process needs one of these. */
export function openDriverWorld({ portOffset, secret, siteNow, wallNow }: DriverWorldOptions): DriverWorld {
  const tcp = tcpPort();
  const http = httpPort({ oneShot: true });
  const modbus = modbusPort();
  const snmp = snmpPort();
  const bacnet = bacnetPort();
  const moved = <T extends { readonly port: number }>(request: T): T => ({
    ...request,
    port: request.port + portOffset,
  });
  return {
    io: {
      tcp: portOffset === 0 ? tcp : { ask: (request) => tcp.ask(moved(request)) },
      http: movedHttp(http, portOffset),
      modbus: { readHolding: (request) => modbus.readHolding(moved(request)) },
      snmp: {
        get: (request) => snmp.get(moved(request)),
        walk: (request) => snmp.walk(moved(request)),
        set: (request) => snmp.set(moved(request)),
      },
      bacnet: {
        read: (request) => bacnet.read(moved(request)),
        write: (request) => bacnet.write(moved(request)),
      },
      program: programPort(),
      secret,
      siteNow,
      unixNow: () => Date.now(),
      wallNow,
    },
    async close() {
      modbus.close();
      snmp.close();
      bacnet.close();
      await http.close();
    },
  };
}

/** The same port with every address moved by an offset. */
export function movedHttp(http: HttpPort, portOffset: number): HttpPort {
  if (portOffset === 0) return http;
  const shifted = (url: string): string => {
    const plain = PLAIN_URL.exec(url);
    if (plain !== null) return `http://${plain[1]}:${Number(plain[2] ?? 80) + portOffset}${plain[3]}`;
    const parsed = new URL(url);
    parsed.port = String(Number(parsed.port || (parsed.protocol === 'https:' ? 443 : 80)) + portOffset);
    return parsed.href;
  };
  const { open } = http;
  return {
    ask: (request) => http.ask({ ...request, url: shifted(request.url) }),
    ...(open === undefined ? {} : { open: (request: HttpRequest) => open({ ...request, url: shifted(request.url) }) }),
  };
}
