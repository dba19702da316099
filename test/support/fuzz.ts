import type { DriverIo } from '../../src/drivers/driver.ts';
import { Fault, type Reading } from '../../src/model/index.ts';
import { openRecorded, perform, recordingsOf, replay, replyText, type Exchange, type Recording } from './recordings.ts';
import { faultsOf, zerosOf } from './sane.ts';

/** A campaign of damaged answers against one driver: what it found wrong, by how it came about. */
export interface FuzzReport {
  readonly runs: number;
  readonly faults: number;
  readonly readings: number;
  /** What must never be: a crash, a hang, nonsense, a zero that nobody sent. At most a few, each with how to make it again. */
  readonly wrong: readonly string[];
}

const MOST_WRONG = 5;
/** Turns of the event loop a read may take: each request costs a few. */
const MOST_TURNS = 2_000;

/** Recordings of reads, fast and slow, whose answers are worth damaging. */
const readsOf = (driver: string): Recording[] =>
  recordingsOf(driver)
    .map(({ recording }) => recording)
    .filter(
      ({ call, reading }) =>
        reading !== undefined && (call === undefined || call[0] === 'read' || call[0] === 'inspect'),
    );

/** @param seed the same seed damages the same places */
export async function fuzzDriver(driver: string, runs: number, seed: number): Promise<FuzzReport> {
  const recordings = readsOf(driver);
  const random = sequence(seed);
  const wrong: string[] = [];
  let faults = 0;
  let readings = 0;
  for (let run = 0; run < runs && wrong.length < MOST_WRONG; run += 1) {
    const recording = recordings[random() % recordings.length]!;
    const at = random() % recording.exchanges.length;
    const whole = textOf(recording, at);
    const damaged = damage(whole, random);
    const told = await outcomeOf(recording, at, damaged);
    const say = (what: string) =>
      wrong.push(`run ${run}, "${recording.about}", answer ${at} as ${JSON.stringify(damaged.slice(0, 300))}: ${what}`);
    if (told instanceof Fault) faults += 1;
    else if (typeof told === 'string') say(told);
    else {
      readings += 1;
      const nonsense = faultsOf(told, driver);
      if (nonsense.length > 0) say(nonsense.join(', '));
      // A reading may hold as many zeros as its answers do, those it makes of a whole answer itself, and those it always had.
      const had = zerosOf({ ...recording.reading });
      const made = Math.max(0, had.length - zerosIn(allText(recording, at, whole)));
      const zeros = zerosOf(told);
      const news = zeros.filter((path) => !had.includes(path));
      if (news.length > 0 && zeros.length > made + zerosIn(allText(recording, at, damaged)))
        say(`a zero nobody sent among ${news.join(', ')}`);
    }
  }
  return { runs, faults, readings, wrong };
}

async function outcomeOf(recording: Recording, at: number, text: string): Promise<Reading | Fault | string> {
  const exchange = recording.exchanges[at];
  const { io } = replay(recording, (asked) => (asked === exchange ? text : replyText(asked)));
  const device = openRecorded(recording, unasked(io));
  const state = { done: false };
  const result = perform(device, recording.call ?? ['read']).then(
    (reading) => reading as Reading,
    (error: unknown) => (error instanceof Fault ? error : `threw ${String(error)}`),
  );
  void result.then(() => (state.done = true));
  for (let turn = 0; turn < MOST_TURNS && !state.done; turn += 1) await Promise.resolve();
  return state.done ? result : 'it never ends';
}

/** A damaged answer may lead to a question that was not recorded: a firmware without that command. */
function unasked(io: DriverIo): DriverIo {
  const orUnsupported = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('not in the recording'))
        throw new Fault('unsupported', error.message);
      throw error;
    }
  };
  return {
    ...io,
    tcp: { ask: (request) => orUnsupported(() => io.tcp.ask(request)) },
    http: { ask: (request) => orUnsupported(() => io.http.ask(request)) },
    modbus: { readHolding: (request) => orUnsupported(() => io.modbus.readHolding(request)) },
    snmp: {
      get: (request) => orUnsupported(() => io.snmp.get(request)),
      walk: (request) => orUnsupported(() => io.snmp.walk(request)),
      set: (request) => orUnsupported(() => io.snmp.set(request)),
    },
    bacnet: {
      read: (request) => orUnsupported(() => io.bacnet.read(request)),
      write: (request) => orUnsupported(() => io.bacnet.write(request)),
    },
    program: { run: (request) => orUnsupported(() => io.program.run(request)) },
  };
}

const texts = new WeakMap<Exchange, string>();
function textOf(recording: Recording, at: number): string {
  const exchange = recording.exchanges[at]!;
  const known = texts.get(exchange) ?? replyText(exchange);
  texts.set(exchange, known);
  return known;
}

/** Every answer of a recording with one of them as it is given. */
const allText = (recording: Recording, at: number, text: string): string =>
  recording.exchanges.map((_, i) => (i === at ? text : textOf(recording, i))).join('\n');

/** Numbers in a text that are zero, and digits that could be read as one. */
const zerosIn = (text: string): number => text.match(/(?<![\d.])-?0+(?:\.0*)?(?:e[+-]?\d+)?(?![\d.])/gi)?.length ?? 0;

/** What firmware in the field sends, and what no firmware should. */
const INSERTED = [
  '}{',
  ',}',
  '[,{',
  '"inf"',
  'nan',
  '"nan"',
  ':,',
  '\0',
  '\u00ff',
  '\uFFFD',
  '1e999',
  '-1',
  '""',
  'null',
  '{}',
  '[]',
  'true',
  '"',
  '\\',
  '\n',
  '9223372036854775807',
  '\u00e9\u00e8',
  '__proto__',
];

/** One to three wounds: cut off, cut out, doubled, a letter changed, two places swapped, something put in, a value replaced. */
function damage(text: string, random: () => number): string {
  let out = text;
  for (let wounds = 1 + (random() % 3); wounds > 0; wounds -= 1) out = wound(out, random);
  return out;
}

function wound(text: string, random: () => number): string {
  if (text === '') return INSERTED[random() % INSERTED.length]!;
  const at = random() % text.length;
  const span = 1 + (random() % Math.min(40, text.length));
  switch (random() % 8) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + span);
    case 2:
      return text.slice(0, at + span) + text.slice(at);
    case 3:
      return text.slice(0, at) + String.fromCodePoint(1 + (random() % 126)) + text.slice(at + 1);
    case 4:
      return text.slice(0, at) + INSERTED[random() % INSERTED.length]! + text.slice(at);
    case 5:
    case 6: {
      // The value behind the next colon becomes another.
      const colon = text.indexOf(':', at);
      if (colon < 0) return text.slice(0, at);
      const end = /[,}\]\n]/.exec(text.slice(colon + 1));
      const stop = end === null ? text.length : colon + 1 + end.index;
      return text.slice(0, colon + 1) + INSERTED[random() % INSERTED.length]! + text.slice(stop);
    }
    default: {
      const other = random() % text.length;
      const letters = text.split('');
      [letters[at], letters[other]] = [letters[other] ?? '', letters[at] ?? ''];
      return letters.join('');
    }
  }
}

/** A small seeded generator. */
function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The low bits of such a generator turn in short circles.
    return state >>> 8;
  };
}
