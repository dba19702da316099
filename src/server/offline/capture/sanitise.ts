import type { Reading } from '../../../model/index.ts';

/**
 * What a capture must not tell a stranger: serials, MACs, wallets, pool accounts, passwords, addresses, host names. Each is
 * replaced by one of the same shape and length where that matters, the same every time it occurs, so that a capture still
 * reads as the machine did.
 */
export interface Sanitiser {
  clean(text: string): string;
  /** What was replaced, by kind, and never what it was. */
  counts(): Readonly<Record<string, number>>;
}

const MAC = /\b[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}\b/gi;
const BARE_MAC = /"(mac|macaddr|mac_address|macAddr)"\s*:\s*"([0-9a-f]{12})"/gi;
/** Bitcoin addresses: bech32, and base58 of the two old kinds. */
const WALLET = /\b(?:bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b/g;
const POOL_URL = /\b(stratum\d?\+(?:tcp|ssl|tls):\/\/|stratum:\/\/)([^\s"'/:\\]+)/gi;
const IPV4 = /\b(?!0\.0\.0\.0|127\.0\.0\.1|255\.255)(?:\d{1,3}\.){3}\d{1,3}\b/g;
/** Values whose key says what they are, whatever they look like. */
const KEYED =
  /"([^"\\]*(?:passw(?:or)?d|passwd|\bpass\b|secret|token|api[-_ ]?key|ssid|serial|serinum|\bsn\b|_sn|sn\d|hostname|host_name|user|worker|account|wallet|email)[^"\\]*)"(\s*:\s*)"((?:[^"\\]|\\.)*)"/gi;
const SECRET_KEY = /passw|pass\b|secret|token|key|ssid/i;
const PERSON_KEY = /user|worker|account|wallet|email/i;
/** Words of a firmware that stand under such keys and are nobody's. */
const HARMLESS = /^(|x|root|admin|default|none|null|n\/a|unknown|antminer|bitaxe|false|true|\d{1,3})$/i;

/** @param reading what the driver understood: its serial, MAC, pools are cleaned wherever they stand */
export function sanitiser(reading: Reading | undefined, address: string): Sanitiser {
  const given = new Map<string, string>();
  const counts: Record<string, number> = {};
  const replace = (kind: string, was: string, make: (n: number) => string): string => {
    const known = given.get(was);
    if (known !== undefined) return known;
    const n = (counts[kind] = (counts[kind] ?? 0) + 1);
    const now = make(n);
    given.set(was, now);
    return now;
  };
  const serial = (was: string) =>
    replace('serials', was, (n) => `SN${String(n).padStart(Math.max(2, was.length - 2), '0')}`);
  const mac = (was: string) =>
    replace('MACs', was.toLowerCase(), (n) => {
      const hex = `020000${n.toString(16).padStart(6, '0')}`;
      const separator = was.includes(':') ? ':' : was.includes('-') ? '-' : '';
      const text = hex.match(/../g)!.join(separator);
      return /[A-F]/.test(was) ? text.toUpperCase() : text;
    });
  const worker = (was: string) =>
    replace('pool accounts', was, (n) => (was.includes('.') ? `site.worker${n}` : `site${n}`));
  const host = (was: string) => replace('pools', was, (n) => `pool${n}.example`);

  const words = new Map<string, string>();
  const word = (was: string | undefined, now: (text: string) => string): void => {
    if (was !== undefined && was.length >= 4 && !HARMLESS.test(was)) words.set(was, now(was));
  };
  word(reading?.serial, serial);
  for (const board of reading?.boards ?? []) word(board.serial, serial);
  word(reading?.hostname, (was) => replace('host names', was, (n) => `machine-${n}`));
  for (const pool of [...(reading?.pools ?? []), ...(reading?.pool === undefined ? [] : [reading.pool])])
    word(pool.worker, worker);
  word(address, () => '10.0.0.7');

  const keyed = (whole: string, key: string, colon: string, value: string): string => {
    if (HARMLESS.test(value) || [...given.values()].includes(value)) return whole;
    const now = SECRET_KEY.test(key)
      ? replace('secrets', value, () => 'secret')
      : PERSON_KEY.test(key)
        ? worker(value)
        : serial(value);
    return `"${key}"${colon}"${now}"`;
  };
  return {
    clean(text) {
      let out = text
        .replaceAll(
          POOL_URL,
          (_, scheme: string, name: string) => scheme + (name.endsWith('.example') ? name : host(name)),
        )
        .replaceAll(WALLET, (was) =>
          replace('wallets', was, (n) => `bc1q${String(n).padStart(38, 'q')}`.slice(0, was.length)),
        )
        .replaceAll(MAC, mac)
        .replaceAll(BARE_MAC, (_, key: string, was: string) => `"${key}":"${mac(was)}"`);
      // Longer ones first: a worker's name may hold the account's.
      for (const [was, now] of [...words].sort(([a], [b]) => b.length - a.length)) out = out.replaceAll(was, now);
      out = out.replaceAll(KEYED, keyed);
      return out.replaceAll(IPV4, (was) =>
        was.startsWith('10.0.0.') ? was : replace('addresses', was, (n) => `10.0.0.${100 + (n % 150)}`),
      );
    },
    counts: () => ({ ...counts }),
  };
}
