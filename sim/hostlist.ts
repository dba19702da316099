/** Host names as Slurm writes them: `h100-[0001-0004,0007],a100-0002`. */
export function hostlist(names: readonly string[]): string {
  const byPrefix = new Map<string, string[]>();
  for (const name of names) {
    const [, prefix = name, digits = ''] = /^(.*?)(\d+)$/.exec(name) ?? [];
    byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), digits]);
  }
  return [...byPrefix].map(([prefix, numbers]) => prefix + brackets(numbers)).join(',');
}

function brackets(numbers: readonly string[]): string {
  if (numbers.length === 1) return numbers[0]!;
  const sorted = numbers.toSorted();
  const ranges: [string, string][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && Number(number) === Number(last[1]) + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return `[${ranges.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(',')}]`;
}
