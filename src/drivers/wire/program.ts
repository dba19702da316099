import { execFile } from 'node:child_process';
import { Fault, type ProgramPort } from '../../model/index.ts';

/** Exactly these, found on the path of the server: a site file can not name a program. */
const ALLOWED: readonly string[] = ['nvidia-smi', 'ipmitool', 'scontrol'];
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * A `ProgramPort` that runs a program without a shell: arguments are handed over as they are and never read as
 * commands. Its environment holds the path and what the caller gives, so that no credential of the server reaches it.
 */
export function programPort(): ProgramPort {
  return {
    run({ program, args, env, timeoutMs, signal }) {
      if (!ALLOWED.includes(program))
        return Promise.reject(new Fault('unsupported', `${program as string} is none of ${ALLOWED.join(', ')}`));
      if (signal?.aborted === true) return Promise.reject(new Fault('timeout', `${program}: given up`));
      return new Promise((resolve, reject) => {
        const options = {
          env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...env },
          timeout: timeoutMs,
          killSignal: 'SIGKILL',
          maxBuffer: MOST_BYTES,
          windowsHide: true,
          ...(signal === undefined ? {} : { signal }),
        } as const;
        const child = execFile(program, [...args], options, (error, stdout, stderr) => {
          if (error === null) return resolve({ code: 0, stdout, stderr });
          const { code, killed } = error;
          if (signal?.aborted === true) return reject(new Fault('timeout', `${program}: given up`, { cause: error }));
          if (code === 'ENOENT' || code === 'EACCES')
            return reject(new Fault('unsupported', `${program} is not installed here; install it`, { cause: error }));
          if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
            return reject(new Fault('garbled', `${program}: more than ${MOST_BYTES} bytes`, { cause: error }));
          if (killed === true)
            return reject(new Fault('timeout', `${program}: no answer within ${timeoutMs} ms`, { cause: error }));
          if (typeof code === 'number') return resolve({ code, stdout, stderr });
          reject(new Fault('unreachable', `${program}: ${error.message}`, { cause: error }));
        });
        // A program that waits for words would wait until its time is up.
        child.stdin?.end();
        child.stdin?.on('error', () => {});
      });
    },
  };
}
