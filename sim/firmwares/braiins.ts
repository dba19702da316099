import { braiinsGraphqlPage } from '../braiins-graphql.ts';
import { braiinsRestPage } from '../braiins-rest.ts';
import { answerCgminer } from '../cgminer.ts';
import { status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts } from '../miner-facts.ts';
import type { Host } from '../net.ts';
import type { Endpoint } from '../world.ts';

/** Braiins OS 25.07 with REST; a group whose settings name GraphQL carries 24.09. */
export const braiins: Firmware = {
  name: 'braiins',
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(boserReply, host, endpoint, text) },
    web: { kind: 'http', answer: braiinsRestPage },
  },
  variant: ({ api }) =>
    api === 'graphql'
      ? { ...braiins, ports: { ...braiins.ports, web: { kind: 'http', answer: braiinsGraphqlPage } } }
      : braiins,
};

const DESCRIPTION = 'BOSer boser-buildroot 0.1.0-75912fc7';

/** 4028 is read-only and tells little more than that it is Braiins OS. */
function boserReply(host: Host, endpoint: Endpoint, command: CgminerCommand): CgminerReply {
  const ok = (code: number, message: string, body: object): CgminerReply => ({
    STATUS: status(host.siteNow(), 'S', code, message, DESCRIPTION),
    ...body,
    id: 1,
  });
  if (command.name === 'version')
    return ok(22, 'BOSer versions', { VERSION: [{ API: '3.7', BOSer: DESCRIPTION.slice(6) }] });
  if (command.name === 'devdetails') {
    const { typeName } = minerFacts(host, endpoint);
    const rows = [0, 1, 2].map((n) => ({ DEVDETAILS: n, Chips: 110, Driver: '', ID: n, Model: typeName, Name: '' }));
    return ok(69, '3 Device details', { DEVDETAILS: rows });
  }
  if (command.name === 'summary') {
    const facts = minerFacts(host, endpoint);
    const row = {
      Accepted: facts.accepted,
      Rejected: facts.rejected,
      Elapsed: facts.elapsedS,
      'MHS 5s': facts.hashThs * 1e6,
    };
    return ok(11, 'Summary', { SUMMARY: [row] });
  }
  return { STATUS: status(host.siteNow(), 'E', 14, 'Invalid command', DESCRIPTION), id: 1 };
}
