import { Fault, type ProgramPort } from '../../model/index.ts';

export function programPort(): ProgramPort {
  return {
    async run() {
      throw new Fault('unsupported', 'programs are not built yet');
    },
  };
}
