/**
 * Host names as Slurm writes them, one by one: `h100-[001-003,007],a100-2` names five. Numbers in a range keep the
 * width of its lower bound, and several brackets in a name are combined (man page of scontrol, "show hostnames").
 *
 * @returns undefined where the text is no host list: an unclosed bracket, a range that runs backwards, one that names
 *   more than 65,536 hosts.
 */
export function expandHostlist(text: string): readonly string[] | undefined {
  const hosts: string[] = [];
  for (const item of splitOutsideBrackets(text)) {
    const expanded = expandItem(item.trim());
    if (expanded === undefined || hosts.length + expanded.length > MOST) return undefined;
    hosts.push(...expanded);
  }
  return hosts;
}

/** No cluster is larger; a bound against a damaged text that names billions. */
const MOST = 65_536;

function splitOutsideBrackets(text: string): string[] {
  return text.split(/,(?![^[]*\])/).filter((item) => item.trim() !== '');
}

function expandItem(item: string): string[] | undefined {
  // Split on the brackets: even parts are plain text, odd ones the inside of a bracket.
  const parts = item.split(/\[([^[\]]*)\]/);
  let names = [''];
  for (const [index, part] of parts.entries()) {
    const endings = index % 2 === 0 ? plain(part) : expandRanges(part);
    if (endings === undefined || names.length * endings.length > MOST) return undefined;
    names = names.flatMap((name) => endings.map((ending) => name + ending));
  }
  return names;
}

const plain = (part: string): string[] | undefined => (/[[\],\s]/.test(part) ? undefined : [part]);

/** `001-003,007` -> 001, 002, 003, 007. */
function expandRanges(inside: string): string[] | undefined {
  const numbers: string[] = [];
  for (const range of inside.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range.trim());
    if (match === null) return undefined;
    const [, low = '', high = low] = match;
    const first = Number(low);
    const last = Number(high);
    if (last < first || last - first >= MOST) return undefined;
    for (let n = first; n <= last; n += 1) numbers.push(String(n).padStart(low.length, '0'));
  }
  return numbers;
}
