import type { CgminerCommand, CgminerReply } from './cgminer-reply.ts';
import type { Host } from './net.ts';
import type { Endpoint } from './world.ts';

type CgminerAnswer = (host: Host, endpoint: Endpoint, command: CgminerCommand) => CgminerReply;

/**
 * The cgminer manner on 4028: one JSON command in, one reply out with a NUL at its end. Several commands joined with
 * `+` answer as one object with an array for each.
 */
export function answerCgminer(one: CgminerAnswer, host: Host, endpoint: Endpoint, text: string): string {
  const parsed = parseCommand(text);
  if (parsed === undefined) return `${JSON.stringify(one(host, endpoint, { name: '', parameter: '' }))}\0`;
  const names = parsed.name.split('+');
  if (names.length === 1) return `${JSON.stringify(one(host, endpoint, parsed))}\0`;
  const joined: Record<string, unknown> = {};
  for (const name of names) joined[name] = [one(host, endpoint, { name, parameter: parsed.parameter })];
  joined['id'] = 1;
  return `${JSON.stringify(joined)}\0`;
}

export function parseCommand(text: string): CgminerCommand | undefined {
  try {
    const message = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const { command, parameter } = message;
    if (typeof command !== 'string') return undefined;
    const given = typeof parameter === 'string' || typeof parameter === 'number' ? String(parameter) : '';
    return { name: command, parameter: given, newApi: message['new_api'] === true };
  } catch {
    return undefined;
  }
}
