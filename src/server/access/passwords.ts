import { hash, parseOptions, verify } from '@node-rs/argon2';

/**
 * argon2id with the parameters OWASP's Password Storage Cheat Sheet names first for few megabytes: 19 MiB, two
 * passes, one lane.
 */
export const PASSWORD_HASHING = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export const PASSWORD_MIN = 12;
/** Few at a time: each takes 19 MiB, and they share the threads that read files. */
const AT_ONCE = 2;
const MOST_WAITING = 64;

/** The commonest that are long enough to pass: from the head of every published list. */
const COMMON = new Set([
  '123456789012',
  '1234567890123',
  '12345678901234567890',
  '1q2w3e4r5t6y',
  'administrator',
  'adminadminadmin',
  'changemechangeme',
  'correcthorsebatterystaple',
  'iloveyouiloveyou',
  'letmeinletmein',
  'passwordpassword',
  'password1234',
  'password12345',
  'password123456',
  'qwertyqwerty',
  'qwertyuiop12',
  'qwertyuiop123',
  'qwertyuiopasdfgh',
  'welcomewelcome',
]);

/** The same letters from another keyboard or system are the same password (NIST SP 800-63B, 5.1.1.2). */
const folded = (password: string): string => password.normalize('NFKC');

/** Why a password is not taken; undefined where it is. Length counts, rules of composition do not. */
export function passwordProblem(password: string, name: string): string | undefined {
  const text = folded(password);
  const length = Array.from(text).length;
  if (length < PASSWORD_MIN) return `a password has at least ${PASSWORD_MIN} characters; this one has ${length}`;
  const lower = text.toLowerCase();
  if (COMMON.has(lower)) return 'this password is one of the first that are tried';
  if (new Set(lower).size < 4) return 'this password has too few different characters';
  if (Array.from(lower.replaceAll(name.toLowerCase(), '')).length < 8)
    return 'this password is little more than the name';
  return undefined;
}

/** Too much hashing is asked for at once. */
export class Busy extends Error {}

export interface Passwords {
  hash(password: string): Promise<string>;
  /** With `undefined` for the hash of a name nobody has, the same work is done and the answer is false. */
  verify(hash: string | undefined, password: string): Promise<boolean>;
  /** Whether a hash was made with other parameters than are used now. */
  outdated(hash: string): boolean;
}

/** Hashing runs on the thread pool, off the event loop. @throws Busy when too many wait */
export function createPasswords(): Passwords {
  let running = 0;
  const waiting: (() => void)[] = [];
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= AT_ONCE) {
      if (waiting.length >= MOST_WAITING) throw new Busy('too many sign-ins at once; try again in a moment');
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  }
  /** Of a password nobody knows: what the work for unknown names is done on. */
  let nobody: Promise<string> | undefined;
  return {
    hash: (password) => inTurn(() => hash(folded(password), PASSWORD_HASHING)),
    async verify(kept, password) {
      nobody ??= hash(crypto.randomUUID(), PASSWORD_HASHING);
      const against = kept ?? (await nobody);
      const right = await inTurn(() => verify(against, folded(password)));
      return right && kept !== undefined;
    },
    outdated(kept) {
      const { algorithm, memoryCost, timeCost, parallelism } = parseOptions(kept);
      const now: Readonly<Record<string, number>> = PASSWORD_HASHING;
      return Object.entries({ algorithm, memoryCost, timeCost, parallelism }).some(([key, n]) => now[key] !== n);
    },
  };
}
