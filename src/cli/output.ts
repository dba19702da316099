import { powerText } from '../model/index.ts';

/** What every verb shares: where output goes, how figures are written, how an error ends. */
export class CliError extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A reader that has seen enough (`| head`) is no error of ours. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

export const print = (text: string): void => void process.stdout.write(`${text}\n`);
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

export const unknownText = 'unknown';
export const watts = (value: number | null): string => (value === null ? unknownText : powerText(value));
export const usd = (amount: number | null): string =>
  amount === null
    ? unknownText
    : `${amount < 0 ? '-' : ''}$${Math.abs(amount).toLocaleString('en-US', digitsOf(amount))}`;
/** Cents count where dollars are few. */
const digitsOf = (amount: number): Intl.NumberFormatOptions =>
  Math.abs(amount) < 100 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumFractionDigits: 0 };
export const count = (n: number): string => n.toLocaleString('en-US');
export const age = (ms: number | null): string => {
  if (ms === null) return unknownText;
  const s = Math.round(ms / 1000);
  return s < 120
    ? `${s} s`
    : s < 7200
      ? `${Math.round(s / 60)} min`
      : s < 172_800
        ? `${Math.round(s / 3600)} h`
        : `${Math.round(s / 86_400)} days`;
};

/** Columns as wide as their widest cell; numbers to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/** One line that says what is under way, on a terminal alone; it goes when the work is done. */
export function stageLine(wanted: boolean): { show(stage: string): void; clear(): void } {
  const { stderr } = process;
  if (!wanted || !stderr.isTTY) return { show() {}, clear() {} };
  return {
    show: (stage) => void stderr.write(`\r\u001b[K${stage} ...`),
    clear: () => void stderr.write('\r\u001b[K'),
  };
}

const WIDTH = 100;

/** Breaks at spaces, so that no line is wider than the terminal a table fits on. */
export function wrap(text: string, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + word.length + 1 > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line].join('\n');
}

/**
 * One line with percent, time gone and an estimate of the rest, on a terminal alone; it goes when the work is done.
 * @param nowMs a clock that never steps back, in ms
 */
export function progressLine(
  wanted: boolean,
  nowMs: () => number,
  stream: { readonly isTTY: boolean; write(text: string): unknown } = process.stderr,
): { show(share: number, what: string): void; clear(): void } {
  if (!wanted || !stream.isTTY) return { show() {}, clear() {} };
  const startedMs = nowMs();
  let shown = '';
  return {
    show(share, what) {
      const goneMs = nowMs() - startedMs;
      const rest = share > 0.02 ? `, about ${age((goneMs / share) * (1 - share))} left` : '';
      const text = `${Math.floor(100 * share)} % ${what}, ${age(goneMs)} gone${rest}`;
      if (text === shown) return;
      shown = text;
      stream.write(`\r\u001b[K${text}`);
    },
    clear: () => void stream.write('\r\u001b[K'),
  };
}
