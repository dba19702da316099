/** What failed sign-ins for one name lead to. Times are Unix milliseconds. */
export interface Failures {
  readonly failures: number;
  readonly failedMs: number | undefined;
  readonly lockedUntilMs: number | undefined;
}

export const NO_FAILURES: Failures = { failures: 0, failedMs: undefined, lockedUntilMs: undefined };
/** So many may go wrong before anything waits. */
export const FREE_FAILURES = 5;
/** From here on it is locked for a quarter of an hour at each failure. */
export const LOCK_AT = 10;
export const LOCK_MS = 15 * 60_000;
const FORGET_MS = 86_400_000;

/** After 5 failures 2 s, then 4, 8, 16, 32; from the tenth on a quarter of an hour. A day without any forgets them. */
export function afterFailure(before: Failures, nowMs: number): Failures {
  const old = before.failedMs !== undefined && nowMs - before.failedMs > FORGET_MS;
  const failures = (old ? 0 : before.failures) + 1;
  const waitMs =
    failures < FREE_FAILURES ? 0 : failures < LOCK_AT ? 1_000 * 2 ** (failures - FREE_FAILURES + 1) : LOCK_MS;
  return { failures, failedMs: nowMs, lockedUntilMs: waitMs === 0 ? undefined : nowMs + waitMs };
}

/** Seconds until another try is looked at; 0 where one may be made now. */
export const waitS = ({ lockedUntilMs }: Failures, nowMs: number): number =>
  lockedUntilMs === undefined ? 0 : Math.max(0, Math.ceil((lockedUntilMs - nowMs) / 1_000));

/** Failures for names nobody has, so that they behave as others do. The oldest are forgotten first. */
export function createStrangers(most = 10_000) {
  const byName = new Map<string, Failures>();
  return {
    get: (name: string): Failures => byName.get(name) ?? NO_FAILURES,
    set(name: string, failures: Failures): void {
      byName.delete(name);
      byName.set(name, failures);
      if (byName.size > most) byName.delete(byName.keys().next().value!);
    },
  };
}
