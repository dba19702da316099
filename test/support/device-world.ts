import type { DriverIo } from '../../src/drivers/driver.ts';
import { bacnetPort } from '../../src/drivers/wire/bacnet.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { modbusPort } from '../../src/drivers/wire/modbus.ts';
import { programPort } from '../../src/drivers/wire/program.ts';
import { snmpPort } from '../../src/drivers/wire/snmp.ts';
import { tcpPort } from '../../src/drivers/wire/tcp.ts';
import { siteMs, wallMs } from '../../src/model/index.ts';

/** The real transports, for tests that speak to an emulated machine or a real program over its sockets. */
export function deviceWorld(secret = 'secret'): { readonly io: DriverIo; close(): Promise<void> } {
  const http = httpPort();
  const modbus = modbusPort();
  const snmp = snmpPort();
  const bacnet = bacnetPort();
  return {
    io: {
      tcp: tcpPort(),
      http,
      modbus,
      snmp,
      bacnet,
      program: programPort(),
      secret: () => secret,
      siteNow: () => siteMs(Date.UTC(2026, 2, 24)),
      unixNow: () => Date.UTC(2026, 2, 24),
      wallNow: () => wallMs(performance.now()),
    },
    async close() {
      modbus.close();
      snmp.close();
      bacnet.close();
      await http.close();
    },
  };
}
