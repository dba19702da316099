import { readFile } from 'node:fs/promises';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Alias, type Document, type Node } from 'yaml';
import type { Machine, Site } from '../../model/index.ts';
import { parseSite } from '../registry.ts';

/** One mistake, with the place a person can jump to. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `halls[2].breakerMw`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** What stands there, shortened. */
  readonly found: string | undefined;
}

export type CheckedSite =
  | { readonly ok: true; readonly file: string; readonly site: Site; readonly machines: readonly Machine[] }
  | { readonly ok: false; readonly file: string; readonly problems: readonly Problem[] };

/** Reads and checks a site file; every mistake is reported at once. */
export async function checkSiteFile(file: string): Promise<CheckedSite> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error);
    return { ok: false, file, problems: [{ file, line: 1, column: 1, path: '', message: reason, found: undefined }] };
  }
  return checkSiteText(text, file);
}

export function checkSiteText(text: string, file: string): CheckedSite {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      file,
      ...at(error.pos[0]),
      path: '',
      message: error.message.split('\n')[0] ?? 'not YAML',
      found: undefined,
    }));
    return { ok: false, file, problems };
  }
  const lost = unresolvedAlias(document);
  if (lost !== undefined) {
    const { line, column } = at(lost.range?.[0] ?? 0);
    const message = `no anchor "&${lost.source}" stands before this`;
    return { ok: false, file, problems: [{ file, line, column, path: '', message, found: `*${lost.source}` }] };
  }
  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // Aliases of aliases that would fill the memory are refused by the parser.
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, file, problems: [{ file, line: 1, column: 1, path: '', message, found: undefined }] };
  }
  const result = parseSite(raw);
  if (result.ok) return { ok: true, file, site: result.site, machines: result.machines };
  const problems = result.issues.map((issue) => {
    const { node, offset } = locate(document, issue.path);
    return { file, ...at(offset), path: pathText(issue.path), message: issue.message, found: describe(node) };
  });
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { ok: false, file, problems };
}

/** The first alias whose anchor is nowhere before it. */
function unresolvedAlias(document: Document): Alias | undefined {
  let lost: Alias | undefined;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      lost = alias;
      return visit.BREAK;
    },
  });
  return lost;
}

/** The node at a path or, where it is missing, the nearest one above it. */
function locate(document: Document, path: readonly (string | number)[]): { node: Node | undefined; offset: number } {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    let next: Node | null | undefined;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      const key = pair?.key as Node | undefined;
      next = pair?.value as Node | null | undefined;
      if (key?.range) offset = key.range[0];
    } else if (isSeq(node)) {
      next = node.items[Number(part)] as Node | undefined;
      if (next?.range) offset = next.range[0];
    }
    if (next === undefined || next === null) return { node: undefined, offset };
    node = next;
  }
  if (isScalar(node) && node.range) offset = node.range[0];
  return { node: node ?? undefined, offset };
}

function describe(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (isScalar(node)) return JSON.stringify(node.value);
  return isMap(node) ? 'a mapping' : isSeq(node) ? 'a list' : undefined;
}

const pathText = (path: readonly (string | number)[]): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');

/** `site.yaml:12:7: halls[2].breakerMw: found "ten": Invalid input: expected number` */
export const formatProblem = (p: Problem): string =>
  `${p.file}:${p.line}:${p.column}: ${p.path === '' ? '' : `${p.path}: `}${p.found === undefined ? '' : `found ${p.found}: `}${p.message}`;
