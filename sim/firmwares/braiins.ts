import { BESIDE_REST, braiinsGraphqlPage, WITHOUT_REST } from '../braiins-graphql.ts';
import { braiinsGrpc, type GrpcRelease } from '../braiins-grpc.ts';
import { braiinsRestPage } from '../braiins-rest.ts';
import { answerCgminer } from '../cgminer.ts';
import { status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { Firmware, PortSpeech } from '../firmware.ts';
import { serveGrpc } from '../grpc.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import type { Host } from '../net.ts';
import { carryOut } from '../web.ts';
import type { Endpoint } from '../world.ts';

const grpc = (release: GrpcRelease): PortSpeech => ({
  kind: 'bytes',
  serve: (host, endpoint, socket) => serveGrpc(socket, (...call) => braiinsGrpc(release, host, endpoint, call)),
});

/** Braiins OS 25.07 with REST; a group whose settings name GraphQL carries 24.09. */
export const braiins: Firmware = {
  name: 'braiins',
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(boserReply, host, endpoint, text) },
    web: { kind: 'http', answer: braiinsRestPage },
    grpc: grpc(BESIDE_REST),
  },
  variant: ({ api }) =>
    api === 'graphql'
      ? {
          ...braiins,
          ports: { ...braiins.ports, web: { kind: 'http', answer: braiinsGraphqlPage }, grpc: grpc(WITHOUT_REST) },
        }
      : braiins,
};

const DESCRIPTION = 'BOSer boser-buildroot 0.1.0-75912fc7';

/** 4028: the commands of the Bosminer API documentation, one row set each; of writes it knows the pause alone. */
function boserReply(host: Host, endpoint: Endpoint, command: CgminerCommand): CgminerReply {
  const ok = (code: number, message: string, body: object): CgminerReply => ({
    STATUS: status(host.siteNow(), 'S', code, message, DESCRIPTION),
    ...body,
    id: 1,
  });
  if (command.name === 'version')
    return ok(22, 'BOSer versions', { VERSION: [{ API: '3.7', BOSer: DESCRIPTION.slice(6) }] });
  if (command.name === 'pause' || command.name === 'resume') {
    const act = () => host.send({ op: command.name === 'pause' ? 'sleep' : 'wake', i: endpoint.index });
    if (!carryOut(host, endpoint, act))
      return { STATUS: status(host.siteNow(), 'E', 23, 'Failed to carry it out', DESCRIPTION), id: 1 };
    return ok(command.name === 'pause' ? 24 : 25, command.name, { [command.name.toUpperCase()]: [true] });
  }
  const table = Object.hasOwn(TABLES, command.name) ? TABLES[command.name] : undefined;
  if (table === undefined) return { STATUS: status(host.siteNow(), 'E', 14, 'Invalid command', DESCRIPTION), id: 1 };
  const rows = table.rows(minerFacts(host, endpoint));
  return ok(table.code, table.message(rows.length), { [command.name.toUpperCase()]: rows });
}

interface Table {
  readonly code: number;
  readonly message: (rows: number) => string;
  readonly rows: (facts: MinerFacts) => readonly object[];
}

/** Boards are numbered from 1 here. */
const boards = (facts: MinerFacts, row: (ths: number, n: number) => object): readonly object[] =>
  facts.boardThs.map((ths, n) => ({ ID: n + 1, ...row(ths, n) }));

const TABLES: Readonly<Record<string, Table>> = {
  summary: {
    code: 11,
    message: () => 'Summary',
    rows: (facts) => [
      {
        Accepted: facts.accepted,
        Rejected: facts.rejected,
        Elapsed: facts.elapsedS,
        'MHS 5s': facts.hashThs * 1e6,
        'MHS 1m': facts.hashThs * 1e6,
        'MHS av': facts.lifeThs * 1e6,
        'Found Blocks': 0,
      },
    ],
  },
  devs: {
    code: 9,
    message: (n) => `${n} ASC(s)`,
    rows: (facts) =>
      boards(facts, (ths, n) => ({
        ASC: n,
        Enabled: 'Y',
        Status: ths > 0 || facts.curtailed ? 'Alive' : 'Dead',
        'MHS 5s': ths * 1e6,
        'MHS 1m': ths * 1e6,
        'MHS av': ths * 1e6,
        'Nominal MHS': (facts.point.hashThs * 1e6) / facts.boardThs.length,
      })),
  },
  devdetails: {
    code: 69,
    message: () => 'Device Details',
    rows: (facts) =>
      boards(facts, (_, n) => ({
        DEVDETAILS: n,
        Chips: facts.chips,
        Driver: '',
        Model: facts.typeName,
        Name: '',
        Frequency: facts.point.frequencyMhz * 1e6,
        Voltage: facts.point.voltage,
      })),
  },
  temps: {
    code: 201,
    message: (n) => `${n} Temp(s)`,
    rows: (facts) => boards(facts, (_, n) => ({ TEMP: n, Board: facts.exhaustC - 15, Chip: facts.exhaustC })),
  },
  fans: {
    code: 202,
    message: (n) => `${n} Fan(s)`,
    rows: (facts) => facts.fanRpm.map((rpm, n) => ({ FAN: n, ID: n, RPM: rpm, Speed: facts.fanPct })),
  },
  tunerstatus: {
    code: 205,
    message: () => 'Tuner Status',
    rows: (facts) => [
      {
        ApproximateMinerPowerConsumption: Math.round(facts.reportedW),
        PowerLimit: Math.round(facts.limitW ?? facts.point.powerW),
        TunerRunning: true,
        TunerChainStatus: facts.boardThs.map((_, n) => ({ HashchainIndex: n + 1, Status: 'Stable' })),
      },
    ],
  },
  pools: {
    code: 7,
    message: (n) => `${n} Pool(s)`,
    rows: (facts) =>
      facts.pools.map(({ url, user }, n) => ({
        POOL: n,
        URL: url,
        User: user,
        Status: 'Alive',
        Priority: n,
        'Stratum Active': n === 0 && !facts.curtailed,
        Accepted: n === 0 ? facts.accepted : 0,
        Rejected: n === 0 ? facts.rejected : 0,
      })),
  },
};
