import { createInterface } from 'node:readline/promises';
import { CliError } from './output.ts';

/** Lines of standard input, for scripts: `--password-stdin`. */
export async function stdinLines(): Promise<string[]> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const part of process.stdin) text += String(part);
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

function mustBeTerminal(instead = 'use --password-stdin (or --stdin)'): void {
  if (!process.stdin.isTTY) throw new CliError('nobody can be asked here: standard input is no terminal', instead);
}

/** Whether a person says yes. @throws CliError where nobody can be asked */
export async function confirmed(question: string): Promise<boolean> {
  return /^y(es)?$/i.test(await askLine(`${question} [y/N] `, 'add --yes to go on without being asked'));
}

export async function askLine(question: string, instead?: string): Promise<string> {
  mustBeTerminal(instead);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim();
  } finally {
    lines.close();
  }
}

const [CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\u0003', '\u0004', '\b', '\u007f'];

/** Asks for something nobody should read over a shoulder: nothing that is typed is shown. */
export function askHidden(question: string): Promise<string> {
  mustBeTerminal();
  const { stdin, stderr } = process;
  // Before the question: an answer that comes at once must not be shown either.
  stdin.setRawMode(true);
  stderr.write(question);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (settle: () => void) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const onData = (part: string | Buffer) => {
      for (const key of String(part)) {
        if (key === '\r' || key === '\n') return end(() => resolve(typed));
        if (key === CTRL_C || key === CTRL_D) return end(() => reject(new CliError('left off')));
        if (key === BACKSPACE || key === DELETE) typed = Array.from(typed).slice(0, -1).join('');
        else if (key >= ' ') typed += key;
      }
    };
    stdin.on('data', onData);
  });
}

/** A new password, typed twice, or one line of standard input. */
export async function newPassword(fromStdin: boolean, whose: string): Promise<string> {
  if (fromStdin) return (await stdinLines())[0] ?? '';
  const first = await askHidden(`New password of ${whose}: `);
  if ((await askHidden('Once more: ')) !== first) throw new CliError('the two are not the same', 'nothing was changed');
  return first;
}
