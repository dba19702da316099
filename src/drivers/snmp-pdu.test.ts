import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deviceWorld } from '../../test/support/device-world.ts';
import { recordingsOf } from '../../test/support/recordings.ts';
import { PDU_FAMILIES } from './wire/pdus.ts';
import { snmpPdu } from './snmp-pdu.ts';

test('on and off are told apart for every family, and no command is another family of the same', () => {
  const commands = Object.values(PDU_FAMILIES).map((family) => [
    family.command(1, '3', true).value,
    family.command(1, '3', false).value,
    [...Array(10).keys()].filter((state) => family.isOn(state) === true),
    [...Array(10).keys()].filter((state) => family.isOn(state) === false),
  ]);
  expect(commands).toEqual([
    [1, 2, [2], [1]],
    [1, 0, [7], [8]],
    [2, 4, [1, 3], [2, 4]],
  ]);
});

const PORT = 21_161;
const SNMPSIM = ['snmpsimd', 'snmpsim-command-responder'].find(
  (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0,
);

describe.skipIf(SNMPSIM === undefined)(`a recorded PDU behind a real agent (snmpsim: ${SNMPSIM ?? 'not here'})`, () => {
  let folder = '';
  let agent: ChildProcess | undefined;
  const world = deviceWorld('pdu');
  const open = (community = 'pdu') => {
    const config = snmpPdu.config.parse({ port: PORT, community: { env: community }, timeoutMs: 1000 });
    return snmpPdu.open({ address: '127.0.0.1', modelId: 'pdu', config }, world.io);
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'busbar-snmpsim-'));
    for (const sub of ['data', 'cache']) mkdirSync(join(folder, sub));
    writeFileSync(join(folder, 'data', 'pdu.snmprec'), walkOf('apc-8641'));
    for (const path of [folder, join(folder, 'data'), join(folder, 'cache')]) chmodSync(path, 0o777);
    const root = process.getuid?.() === 0;
    agent = spawn(
      SNMPSIM!,
      [
        `--agent-udpv4-endpoint=127.0.0.1:${PORT}`,
        `--data-dir=${join(folder, 'data')}`,
        `--cache-dir=${join(folder, 'cache')}`,
        ...(root ? ['--process-user=nobody', '--process-group=nogroup'] : []),
        '--v2c-arch',
      ],
      { stdio: 'ignore' },
    );
    const until = Date.now() + 20_000;
    while (Date.now() < until) {
      const answered = await open().inspect!().then(
        () => true,
        () => false,
      );
      if (answered) return;
    }
    throw new Error('snmpsim did not start');
  }, 30_000);
  afterAll(async () => {
    agent?.kill();
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('reads what the recording says', async () => {
    const { recording } = recordingsOf('snmp-pdu').find(({ name }) => name === 'apc-8641')!;
    expect(await open().read()).toEqual({ at: world.io.siteNow(), ...recording.reading });
  });

  test('switches an outlet, once', async () => {
    const get = async () => {
      const command = '1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.1';
      const target = { host: '127.0.0.1', port: PORT, community: 'pdu', timeoutMs: 1000 };
      return (await world.io.snmp.get({ ...target, oids: [command] }))[0];
    };
    expect(await get()).toBe(1);
    await open().setOutlet!(1, false);
    expect(await get()).toBe(2);
    await expect(open().setOutlet!(77, false)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('a wrong community is silence', async () => {
    const target = { host: '127.0.0.1', port: PORT, community: 'nobody-knows', timeoutMs: 300 };
    await expect(world.io.snmp.walk({ ...target, oid: '1.3.6.1.2.1.1' })).rejects.toMatchObject({ kind: 'timeout' });
  });
});

/** The values of a recording in the format of snmpsim: the commands can be written, the rest stands still. */
function walkOf(name: string): string {
  const { recording } = recordingsOf('snmp-pdu').find((found) => found.name === name)!;
  const values = new Map<string, unknown>();
  for (const exchange of recording.exchanges) {
    if (!('snmp' in exchange)) continue;
    const { snmp, reply } = exchange;
    if ('oids' in snmp) snmp.oids.forEach((oid, i) => values.set(oid, reply[i]));
    else for (const row of reply as { oid: string; value: unknown }[]) values.set(row.oid, row.value);
  }
  values.set('1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.1', 1);
  const numbers = (oid: string) => oid.split('.').map(Number);
  const order = (a: string, b: string): number => {
    const [x, y] = [numbers(a), numbers(b)];
    const at = x.findIndex((n, i) => n !== y[i]);
    return at < 0 ? -1 : x[at]! - (y[at] ?? -1);
  };
  return [...values]
    .filter(([, value]) => value !== null && value !== undefined)
    .sort(([a], [b]) => order(a, b))
    .map(([oid, value]) => {
      if (oid === '1.3.6.1.2.1.1.2.0') return `${oid}|6|${String(value)}\n`;
      if (oid.includes('.26.9.2.4.')) return `${oid}|2:writecache|value=${String(value)}\n`;
      return `${oid}|${typeof value === 'number' ? 2 : 4}|${String(value)}\n`;
    })
    .join('');
}
