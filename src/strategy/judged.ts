import type { ConvertHall } from '../model/convert-api.ts';
import type { HallCase } from './hall.ts';
import type { HallMonths } from './mining.ts';
import type { Option, Valued } from './options.ts';

/** A hall with all that was reckoned for it, when everything stands at its own value. */
export interface Judged {
  readonly hall: HallCase;
  readonly facts: HallMonths;
  readonly options: readonly Option[];
  readonly valued: ReadonlyMap<string, Valued>;
  readonly keep: Valued;
  readonly told: ConvertHall;
}
