import type { Problem } from './problem.ts';

/** What generators run at without more of them than the site can use or feed in, the dearest cut first. Powers are W. */
export function withinUse(
  { generators, snapshot }: Problem,
  loadW: number,
  generationW: readonly number[],
): readonly number[] {
  const mostW = loadW + (snapshot.connection.exportLimitW ?? 0);
  let over = generationW.reduce((sum, watts) => sum + watts, 0) - mostW;
  if (over <= 0) return generationW;
  const kept = [...generationW];
  for (const i of [...kept.keys()].sort((a, b) => generators[b]!.usdPerMwh - generators[a]!.usdPerMwh)) {
    const cut = Math.min(kept[i]!, Math.max(0, over));
    kept[i]! -= cut;
    over -= cut;
  }
  return kept;
}

/** Every generator that makes power for less than `usdPerMwh`; the others only as far as `neededW` asks for more. */
export function cheaperThan(
  { generators, steps }: Problem,
  t: number,
  usdPerMwh: number,
  neededW: number,
): readonly number[] {
  const available = steps[t]!.availableW;
  const running = generators.map((one, i) => (one.usdPerMwh < usdPerMwh ? available[i]! : 0));
  let missing = neededW - running.reduce((sum, watts) => sum + watts, 0);
  for (const i of [...running.keys()].sort((a, b) => generators[a]!.usdPerMwh - generators[b]!.usdPerMwh)) {
    const more = Math.min(available[i]! - running[i]!, Math.max(0, missing));
    running[i]! += more;
    missing -= more;
  }
  return running;
}
