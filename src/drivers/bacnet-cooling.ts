import { z } from 'zod';
import { Fault, type BacnetObject, type BacnetObjectType, type CoolingReading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, num } from './wire/fields.ts';

const TYPES = 'analog-input|analog-output|analog-value|binary-input|binary-output|binary-value';
const point = z
  .string()
  .regex(new RegExp(`^(${TYPES}),\\d{1,7}$`), 'an object such as analog-input,3')
  .optional();
const STARTS: readonly BacnetObjectType[] = ['binary-output', 'binary-value'];
const SETTABLE: readonly BacnetObjectType[] = ['analog-output', 'analog-value'];

const config = z
  .strictObject({
    port: z.number().int().min(1).max(65535).default(47808),
    points: z
      .strictObject({
        supply: point.describe('C, of the water or air it delivers'),
        return: point.describe('C, of what comes back'),
        setPoint: point.describe('C, analog-value or analog-output; without it nothing is ever written'),
        flow: point.describe('L/min'),
        pressure: point.describe('kPa'),
        fan: point.describe('%'),
        pump: point.describe('%'),
        running: point.describe('1 where it runs'),
        start: point.describe(
          'binary-output or binary-value: 1 is written to start it before machines are woken; without it only read back',
        ),
      })
      .refine((points) => Object.values(points).some((one) => one !== undefined), 'at least one point')
      .refine(
        ({ setPoint }) => setPoint === undefined || SETTABLE.some((type) => setPoint.startsWith(`${type},`)),
        'setPoint must be an analog-value or analog-output',
      )
      .refine(
        ({ start }) => start === undefined || STARTS.some((type) => start.startsWith(`${type},`)),
        'start must be a binary-output or binary-value',
      )
      .refine(
        ({ start, flow, pump, fan, running }) => start === undefined || (flow ?? pump ?? fan ?? running) !== undefined,
        'start needs what shows that it runs: flow, pump, fan or running',
      )
      .describe('which object of the controller holds what'),
    setPointMinC: z.number().default(16).describe('nothing below is ever asked for'),
    setPointMaxC: z.number().default(30).describe('nothing above is ever asked for'),
    timeoutMs: z.number().int().positive().default(3000),
  })
  .refine(({ setPointMinC, setPointMaxC }) => setPointMinC <= setPointMaxC, 'setPointMinC is above setPointMaxC');

/** ASHRAE 135, clause 19: 8 is what a manual operator writes at, above the controller's own programs. */
const PRIORITY = 8;

/**
 * A chiller, CDU or dry cooler with a BACnet/IP controller. Which object holds what is the installer's choice, so the
 * site file names them.
 */
export const bacnetCooling = defineDriver({
  name: 'bacnet-cooling',
  about: 'Chillers, CDUs and dry coolers over BACnet/IP; objects named in the site file',
  serves: ['cooling'],
  config,
  recognises: () => false,
  open({ address, config: { port, points, setPointMinC, setPointMaxC, timeoutMs } }, io) {
    const target = { host: address, port, timeoutMs };
    const names = (Object.keys(points) as (keyof typeof points)[]).filter(
      (name) => points[name] !== undefined && name !== 'start',
    );
    const objects = names.map((name) => objectOf(points[name]!));

    return {
      async read(signal) {
        const values = await io.bacnet.read({ ...target, objects, signal });
        if (values.length !== objects.length)
          throw new Fault('garbled', `${address}: ${values.length} values where ${objects.length} were asked`);
        if (values.every((value) => value === undefined))
          throw new Fault('unsupported', `${address}: the controller has none of the points; check their numbers`);
        const of = (name: keyof typeof points): number | undefined => num(values[names.indexOf(name)]);
        const running = of('running');
        const cooling: CoolingReading = {
          running: running === undefined ? undefined : running !== 0,
          supplyC: of('supply'),
          returnC: of('return'),
          setPointC: of('setPoint'),
          flowLpm: amount(of('flow')),
          pressureKpa: amount(of('pressure')),
          fanPct: amount(of('fan')),
          pumpPct: amount(of('pump')),
        };
        return { at: io.siteNow(), cooling };
      },
      ...(points.setPoint === undefined ? {} : { setSupplyC }),
      ...(points.start === undefined ? {} : { demandCooling }),
      close() {},
    };

    /** Given back, the slot is nobody's: the controller's own program stops the plant, or keeps it moving against frost. */
    async function demandCooling(on: boolean, signal?: AbortSignal): Promise<void> {
      const object = objectOf(points.start!);
      const [now] = await io.bacnet.read({ ...target, objects: [object], signal });
      if (now === undefined) throw new Fault('unsupported', `${address} start: the controller has no ${points.start}`);
      await io.bacnet.write({ ...target, object, value: on ? 1 : undefined, priority: PRIORITY, signal });
    }

    /** Inside the limits of the settings alone; the object is read first, so that a slip of its number writes nothing. */
    async function setSupplyC(celsius: number, signal?: AbortSignal): Promise<void> {
      const where = `${address} set point`;
      if (!(celsius >= setPointMinC && celsius <= setPointMaxC))
        throw new Fault('refused', `${where}: ${celsius} C is outside ${setPointMinC} to ${setPointMaxC} C`);
      const object = objectOf(points.setPoint!);
      const [now] = await io.bacnet.read({ ...target, objects: [object], signal });
      if (now === undefined) throw new Fault('unsupported', `${where}: the controller has no ${points.setPoint}`);
      await io.bacnet.write({ ...target, object, value: celsius, priority: PRIORITY, signal });
    }
  },
});

function objectOf(text: string): BacnetObject {
  const [type, instance] = text.split(',');
  return { type: type as BacnetObjectType, instance: Number(instance) };
}
