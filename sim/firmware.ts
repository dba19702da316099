import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { AsicModel } from '../src/model/index.ts';
import { firmwares } from './firmwares/index.ts';
import type { Host, HttpAnswer } from './net.ts';
import type { SimPoint } from './points.ts';
import type { Endpoint } from './world.ts';

/** Where miners listen. `web` is port 80 on a real machine, `webToo` 8080, `grpc` 50051. */
export type MinerPort = 'cgminer' | 'web' | 'webToo' | 'whatsminer' | 'grpc';

/** How one port of one firmware is spoken: one text in and one out, or HTTP, or bytes of its own making. */
export type PortSpeech =
  /**
   * One JSON command on a connection; the answer with its terminator. Undefined closes without one. `linger` keeps
   * the connection open after the answer, as much firmware does.
   */
  | {
      readonly kind: 'text';
      readonly linger?: boolean;
      answer(host: Host, endpoint: Endpoint, text: string): string | undefined;
    }
  | {
      readonly kind: 'http';
      answer(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer;
    }
  | { readonly kind: 'bytes'; serve(host: Host, endpoint: Endpoint, socket: Socket): void };

/** One firmware as it speaks: one file in `firmwares/`, named for the driver that reads it. */
export interface Firmware {
  readonly name: string;
  /** Stock Antminers come back awake from a loss of supply. */
  readonly forgetsSleep?: boolean;
  /** Its operating points; without it those of the catalogue. The one with step 0 is a fresh machine's. */
  points?(model: AsicModel): readonly SimPoint[];
  /** A port that is not named refuses connections. */
  readonly ports: Partial<Readonly<Record<MinerPort, PortSpeech>>>;
  /** Another firmware under the same driver, by the settings of the group: GraphQL or REST. */
  variant?(settings: Readonly<Record<string, unknown>>): Firmware;
}

const byName = new Map(firmwares.map((firmware) => [firmware.name, firmware]));

export function firmwareOf(driver: string, settings: Readonly<Record<string, unknown>>): Firmware {
  const firmware = byName.get(driver);
  if (firmware === undefined) throw new Error(`no emulated firmware for the driver ${driver}`);
  return firmware.variant?.(settings) ?? firmware;
}
