import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deviceWorld } from '../../test/support/device-world.ts';
import { ipmi } from './ipmi.ts';

test('a user name can not pass for an option', () => {
  expect(ipmi.config.safeParse({ username: '-K' }).success).toBe(false);
  expect(ipmi.config.safeParse({ username: 'admin' }).success).toBe(true);
});

const PORT = 21_623;
const isInstalled = ['ipmi_sim', 'ipmitool'].every(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
);

/** A BMC of OpenIPMI's simulator; its power is a file that a hook writes. */
function writeBmc(folder: string): void {
  const hook = join(folder, 'chassis.sh');
  writeFileSync(
    hook,
    `#!/bin/sh
D=${folder}; shift; op=$1; shift
[ "$op" = set ] && echo "$*" >> $D/log
while [ $# -gt 0 ]; do case $op in
 get) [ "$1" = power ] && echo "power:$(cat $D/power)" || echo "$1:0"; shift;;
 set) [ "$1" = power ] && echo "$2" > $D/power; [ "$1" = shutdown ] && echo 0 > $D/power; shift 2;;
 *) shift;;
esac; done
`,
  );
  chmodSync(hook, 0o755);
  writeFileSync(join(folder, 'power'), '1\n');
  writeFileSync(join(folder, 'log'), '');
  writeFileSync(join(folder, 'temp'), '24\n');
  writeFileSync(
    join(folder, 'lan.conf'),
    `name "bmc1"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 ${PORT}
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "${hook} 0x20"
user 2 true "lab" "labpw" admin 10 none md2 md5 straight
`,
  );
  // One temperature sensor with its record, read from the file; and a fan.
  writeFileSync(
    join(folder, 'sim.emu'),
    `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sensor_add 0x20 0 1 1 1 poll 1000 file "${join(folder, 'temp')}"
main_sdr_add 0x20 0x00 0x00 0x51 0x01 0x35 0x20 0x00 0x01 0x07 0x01 0x7f 0x68 0x01 0x01 0x80 0x0a 0x80 0x0a 0x3f 0x3f 0x00 0x01 0x00 0x00 0x01 0x00 0x00 0x00 0x00 0x00 0x07 0x30 0xff 0x00 0xff 0x00 0xe0 0xd0 0xb0 0x05 0x03 0x02 0x00 0x00 0x00 0x00 0x00 0xca 0x49 0x6e 0x6c 0x65 0x74 0x20 0x54 0x65 0x6d 0x70
sensor_add 0x20 0 3 4 1
sensor_set_value 0x20 0 3 60 0
main_sdr_add 0x20 0x00 0x00 0x51 0x01 0x2f 0x20 0x00 0x03 0x07 0x01 0x7f 0x68 0x04 0x01 0x80 0x0a 0x80 0x0a 0x3f 0x3f 0x00 0x12 0x00 0x00 0x64 0x00 0x00 0x00 0x00 0x00 0x07 0x30 0xff 0x00 0xff 0x00 0xe0 0xd0 0xb0 0x05 0x03 0x02 0x00 0x00 0x00 0x00 0x00 0xc4 0x46 0x61 0x6e 0x31
sensor_set_event_support 0x20 0 1 enable scanning per-state 000000000000000 000000000000000 000000000000000 000000000000000
sensor_set_event_support 0x20 0 3 enable scanning per-state 000000000000000 000000000000000 000000000000000 000000000000000
mc_enable 0x20
`,
  );
}

describe.skipIf(!isInstalled)('ipmitool and a BMC of ipmi_sim (where both are installed)', () => {
  let folder = '';
  let bmc: ChildProcess | undefined;
  const world = deviceWorld('labpw');
  const stranger = deviceWorld('wrong');
  const open = (io = world.io, more: object = {}) => {
    // Named, as this BMC does not answer when it is asked which suites it has, and ipmitool would wait for it.
    const settings = { port: PORT, username: 'lab', password: { env: 'X' }, cipherSuite: 3, ...more };
    return ipmi.open({ address: '127.0.0.1', modelId: 'gpu-8x-a100', config: ipmi.config.parse(settings) }, io);
  };
  const log = () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'busbar-ipmi-'));
    mkdirSync(join(folder, 'state'));
    writeBmc(folder);
    const files = ['-c', join(folder, 'lan.conf'), '-f', join(folder, 'sim.emu'), '-s', join(folder, 'state')];
    bmc = spawn('ipmi_sim', ['-n', ...files], { stdio: 'ignore' });
    for (let n = 0; n < 20; n += 1) {
      const answered = await open()
        .read()
        .then(
          () => true,
          () => false,
        );
      if (answered) return;
    }
    throw new Error('ipmi_sim did not start');
  }, 60_000);
  afterAll(async () => {
    bmc?.kill();
    await world.close();
    await stranger.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('reads its power state; it has no DCMI, so no watts', async () => {
    expect(await open().read()).toMatchObject({ mode: { kind: 'run' }, powerW: undefined, powerBasis: undefined });
  });

  test('tells its sensors; its inventory is a gap', async () => {
    const reading = await open().inspect!();
    expect(reading).toMatchObject({
      temperatureC: 24,
      fanRpm: 6000,
      gaps: [{ part: 'identity', kind: 'unsupported' }],
    });
  });

  test('tells what it does after an outage; this BMC takes no other setting, and says so', async () => {
    expect(await open().inspect!()).toMatchObject({ afterOutage: 'stay-off' });
    await open().setAfterOutage!('stay-off');
    await expect(open().setAfterOutage!('start')).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('is shut down softly, switched on, reset and shown; twice is once', async () => {
    const device = open();
    await device.sleep!();
    await device.sleep!();
    expect((await device.read()).mode).toEqual({ kind: 'sleep' });
    await device.wake!();
    await device.wake!();
    await device.reboot!();
    await device.locate!(true);
    await device.locate!(false);
    expect(log()).toEqual(['shutdown 1', 'power 1', 'reset 1', 'identify 0 1', 'identify 0 0']);
  });

  test('a wrong password and an unknown user are told from an address where nobody is', async () => {
    await expect(open(stranger.io).read()).rejects.toMatchObject({ kind: 'unauthorised' });
    await expect(open(world.io, { username: 'nobody' }).read()).rejects.toMatchObject({ kind: 'unauthorised' });
    const nobody = open(world.io, { port: PORT + 1, timeoutMs: 1500 }).read();
    await expect(nobody).rejects.toMatchObject({ kind: 'timeout' });
  });
});
