/**
 * As much of GraphQL as a miner's client asks: one operation, selections, inline fragments, aliases; arguments are
 * passed over. Enough to answer any client's own query from one tree of everything there is.
 */

/** @throws Error in the words of a server where a field is not there or the query cannot be read */
export function select(tree: object, query: string): unknown {
  const start = query.indexOf('{', headEnd(query));
  if (start < 0) throw new Error('Syntax error: expected a selection');
  const words = [...query.slice(start).matchAll(/\.\.\.|[{}():!$[\],=]|"(?:[^"\\]|\\.)*"|[^\s{}():!$[\],="]+/g)].map(
    ([word]) => word,
  );
  let at = 0;

  /** Behind an opening brace or bracket that has been read, to behind the one that closes it. */
  function skip(open: string, close: string): void {
    for (let depth = 1; depth > 0; at += 1) {
      if (at >= words.length) throw new Error('Syntax error: unexpected end');
      if (words[at] === open) depth += 1;
      else if (words[at] === close) depth -= 1;
    }
  }

  function selection(of: unknown, type: string): unknown {
    if (words[at] !== '{') throw new Error(`Syntax error: expected "{" after ${type}`);
    const from = at;
    if (Array.isArray(of)) {
      const all = of.map((one) => {
        at = from;
        return selection(one, type);
      });
      if (all.length === 0) passOver();
      return all;
    }
    if (typeof of !== 'object' || of === null) {
      passOver();
      return null;
    }
    at += 1;
    const found: Record<string, unknown> = {};
    while (words[at] !== '}') field(of as Readonly<Record<string, unknown>>, found, type);
    at += 1;
    return found;
  }

  function passOver(): void {
    at += 1;
    skip('{', '}');
  }

  function field(of: Readonly<Record<string, unknown>>, found: Record<string, unknown>, type: string): void {
    const word = words[at];
    if (word === undefined) throw new Error('Syntax error: unexpected end');
    at += 1;
    if (word === ',') return;
    if (word === '...') {
      const on = words[at + 1];
      at += 2;
      // A fragment on another type asks nothing of this one.
      if (of['__typename'] === undefined || of['__typename'] === on)
        Object.assign(found, selection(of, type) as object);
      else passOver();
      return;
    }
    const isAlias = words[at] === ':';
    const name = isAlias ? words[at + 1]! : word;
    if (isAlias) at += 2;
    if (words[at] === '(') {
      at += 1;
      skip('(', ')');
    }
    const value = name === '__typename' ? (of[name] ?? type) : of[name];
    if (value === undefined) throw new Error(`Unknown field "${name}" on type "${type}"`);
    found[word] = words[at] === '{' ? selection(value, name) : value;
  }

  return selection(tree, 'Query');
}

/** Where the declarations of an operation's variables end. */
function headEnd(query: string): number {
  const first = query.indexOf('{');
  const bracket = query.indexOf('(');
  if (bracket < 0 || bracket > first) return 0;
  return query.indexOf(')', bracket);
}
