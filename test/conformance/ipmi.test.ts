import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ipmi } from '../../src/drivers/ipmi.ts';
import { deviceWorld } from '../support/device-world.ts';
import { until } from '../support/site/until.ts';

/**
 * The driver `ipmi` and the real ipmitool against OpenIPMI's BMC simulator: sessions of RMCP+ with their ciphers, on UDP.
 * The simulator has no DCMI, as many a BMC: its server tells no watts.
 */
const SIMULATOR = process.env['IPMI_SIM_PATH'];
const LIMIT = { timeout: 300_000 };
const PASSWORD = 'of-the-bmc';

/** The chassis in a file: 1 or 0 for its power, and a line for each order it was given. */
const chassis = (folder: string): string => `#!/bin/sh
shift
op=$1; shift
while [ $# -gt 0 ]; do
  case $op in
    get) if [ "$1" = power ]; then echo "power:$(cat ${folder}/power)"; else echo "$1:0"; fi; shift;;
    set)
      echo "$1 $2" >> ${folder}/orders
      case $1 in power) echo $2 > ${folder}/power;; shutdown) echo 0 > ${folder}/power;; esac
      shift 2;;
    *) shift;;
  esac
done
`;

const AUTHENTICATION = ['callback', 'user', 'operator', 'admin'].map(
  (who) => `  allowed_auths_${who} none md5 straight`,
);
const lan = (folder: string, port: number): string => `name "bmc"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 ${port}
  priv_limit admin
${AUTHENTICATION.join('\n')}
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "${folder}/chassis 0x20"
user 1 true "" "anybody" user 10 none md5 straight
user 2 true "busbar" "${PASSWORD}" admin 10 none md5 straight
`;

/** A full record of the sensor repository (IPMI 2.0, table 43-1) for one analogue sensor that reads M x value. */
function sensor(number: number, entity: number, kind: number, unit: number, m: number, name: string): string {
  const text = Buffer.from(name, 'latin1');
  const head = [0x20, 0, number, entity, 1, 0x7f, 0x68, kind, 1, 0x80, 0x0a, 0x80, 0x0a, 0x3f, 0x3f];
  const factors = [
    0,
    unit,
    0,
    0,
    m,
    0,
    0,
    0,
    0,
    0,
    7,
    0x30,
    0xff,
    0,
    0xff,
    0,
    0xe0,
    0xd0,
    0xb0,
    5,
    3,
    2,
    0,
    0,
    0,
    0,
    0,
  ];
  const body = [...head, ...factors, 0xc0 | text.length, ...text];
  const hex = [0, 0, 0x51, 1, body.length, ...body].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  return `main_sdr_add 0x20 ${hex.join(' ')}`;
}
const EMULATION = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 1 1 1
sensor_set_value 0x20 0 1 24 0
${sensor(1, 0x37, 1, 1, 1, 'Inlet Temp')}
sensor_set_event_support 0x20 0 1 enable scanning per-state 000000000000000 000000000000000 000000000000000 000000000000000
sensor_add 0x20 0 3 4 1
sensor_set_value 0x20 0 3 60 0
${sensor(3, 0x1d, 4, 0x12, 100, 'Fan1')}
sensor_set_event_support 0x20 0 3 enable scanning per-state 000000000000000 000000000000000 000000000000000 000000000000000
mc_enable 0x20
`;

function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4').once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

describe.skipIf(SIMULATOR === undefined)('a BMC of IPMI 2.0 (left out where IPMI_SIM_PATH is not set)', () => {
  const world = deviceWorld(PASSWORD);
  const wrong = deviceWorld('of-another-bmc');
  let folder = '';
  let port = 0;
  let bmc: ChildProcess;

  const open = (over: object = {}, io = world.io) => {
    // Named, as the simulator lists none: ipmitool would wait for its list before each session.
    const suite = { cipherSuite: 3 };
    const config = ipmi.config.parse({
      port,
      username: 'busbar',
      password: { env: 'BMC_PASSWORD' },
      ...suite,
      ...over,
    });
    return ipmi.open({ address: '127.0.0.1', modelId: 'gpu-8x-a100', config }, io);
  };
  const power = (state?: '0' | '1'): string => {
    if (state !== undefined) writeFileSync(join(folder, 'power'), `${state}\n`);
    return readFileSync(join(folder, 'power'), 'utf8').trim();
  };
  const orders = () => readFileSync(join(folder, 'orders'), 'utf8').split('\n').filter(Boolean);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'busbar-ipmi-'));
    port = await freeUdpPort();
    mkdirSync(join(folder, 'state'));
    writeFileSync(join(folder, 'chassis'), chassis(folder));
    chmodSync(join(folder, 'chassis'), 0o755);
    writeFileSync(join(folder, 'lan.conf'), lan(folder, port));
    writeFileSync(join(folder, 'sim.emu'), EMULATION);
    power('1');
    writeFileSync(join(folder, 'orders'), '');
    const args = ['-n', '-c', join(folder, 'lan.conf'), '-f', join(folder, 'sim.emu'), '-s', join(folder, 'state')];
    bmc = spawn(SIMULATOR!, args, { stdio: 'ignore' });
    await until('an answer', () => {
      if (bmc.exitCode !== null) throw new Error(`ipmi_sim ended with ${bmc.exitCode}`);
      return open()
        .read()
        .then(
          () => true,
          () => false,
        );
    });
  }, 120_000);
  afterAll(async () => {
    bmc?.kill();
    await Promise.all([world.close(), wrong.close()]);
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    power('1');
    writeFileSync(join(folder, 'orders'), '');
  });

  test('its power is on or off, and watts that it does not tell are unknown, never 0', LIMIT, async () => {
    expect(await open().read()).toMatchObject({ mode: { kind: 'run' }, powerW: undefined, powerBasis: undefined });
    power('0');
    expect(await open().read()).toMatchObject({ mode: { kind: 'sleep' }, powerW: undefined });
    expect(await open({ cipherSuite: undefined }).read()).toMatchObject({ mode: { kind: 'sleep' } });
  });

  test('sensors are read; an inventory that is not there is a gap with its reason', LIMIT, async () => {
    const told = await open().inspect!();
    expect(told).toMatchObject({ temperatureC: 24, fansRpm: [6000], fanRpm: 6000, mode: { kind: 'run' } });
    expect(told.gaps).toMatchObject([{ part: 'identity' }]);
    expect(told.serial).toBeUndefined();
  });

  test(
    'sleep asks the system to shut down, wake turns it on, reboot resets it; what is so already is left',
    LIMIT,
    async () => {
      const device = open();
      await device.sleep!();
      await until('off', () => power() === '0');
      expect(orders()).toEqual([expect.stringMatching(/^shutdown /)]);
      await device.sleep!();
      await expect(device.reboot!()).rejects.toMatchObject({ kind: 'refused' });
      expect(orders()).toHaveLength(1);
      await device.wake!();
      await until('on', () => power() === '1');
      await device.wake!();
      expect(orders()).toHaveLength(2);
      await device.reboot!();
      expect(orders().at(-1)).toMatch(/^reset /);
    },
  );

  test('a wrong password, an unknown user and nobody there are told apart', LIMIT, async () => {
    await expect(open({}, wrong.io).read()).rejects.toMatchObject({ kind: 'unauthorised' });
    await expect(open({ username: 'nobody' }).read()).rejects.toMatchObject({ kind: 'unauthorised' });
    const nobody = open({ port: await freeUdpPort(), timeoutMs: 60_000 });
    await expect(nobody.read()).rejects.toMatchObject({ kind: 'unreachable' });
  });
});
