import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Alias, type Document, type Node } from 'yaml';
import { secretRef, type Machine, type Site } from '../../model/index.ts';
import { parseSite, type SiteIssue } from '../registry.ts';
import { createSecrets, type Secrets } from '../../vault/secrets.ts';
import { warningsOf } from '../site-rules.ts';

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
  /** A warning wants a look and stops nothing. */
  readonly severity: 'error' | 'warning';
}

export type CheckedSite =
  | {
      readonly ok: true;
      readonly file: string;
      readonly site: Site;
      readonly machines: readonly Machine[];
      readonly warnings: readonly Problem[];
    }
  | { readonly ok: false; readonly file: string; readonly problems: readonly Problem[] };

/** The encrypted store is asked only where it was opened. */
const noVault = (): never => {
  throw new Error('the encrypted store was not looked into (it is at a start, with its key)');
};

/**
 * Reads and checks a site file; every mistake is reported at once. Credentials are looked for and never shown.
 * @param secrets absent: those of this process's environment, and files beside the site file
 */
export async function checkSiteFile(file: string, secrets?: Secrets): Promise<CheckedSite> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error);
    return { ok: false, file, problems: [atTop(file, reason)] };
  }
  return checkSiteText(text, file, secrets ?? createSecrets(dirname(resolve(file)), process.env, noVault));
}

const atTop = (file: string, message: string): Problem => ({
  file,
  line: 1,
  column: 1,
  path: '',
  message,
  found: undefined,
  severity: 'error',
});

export function checkSiteText(text: string, file: string, secrets?: Secrets): CheckedSite {
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
      severity: 'error' as const,
    }));
    return { ok: false, file, problems };
  }
  const lost = unresolvedAlias(document);
  if (lost !== undefined) {
    const { line, column } = at(lost.range?.[0] ?? 0);
    const message = `no anchor "&${lost.source}" stands before this`;
    return {
      ok: false,
      file,
      problems: [{ ...atTop(file, message), line, column, found: `*${lost.source}` }],
    };
  }
  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // Aliases of aliases that would fill the memory are refused by the parser.
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, file, problems: [atTop(file, message)] };
  }
  const place =
    (severity: Problem['severity']) =>
    (issue: SiteIssue): Problem => {
      const { node, offset } = locate(document, issue.path);
      const { path, message } = issue;
      const found = HIDDEN.test(String(path.at(-1))) && isScalar(node) ? 'a value (not shown)' : describe(node);
      if (severity === 'warning' && !isScalar(node))
        return { file, ...at(offset), path: pathText(path), message, found: undefined, severity };
      return { file, ...at(offset), path: pathText(path), message, found, severity };
    };
  const inOrder = (problems: readonly Problem[]) => problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const result = parseSite(raw);
  const credentials = secrets === undefined ? { errors: [], warnings: [] } : secretIssues(raw, secrets);
  const issues = [...(result.ok ? [] : result.issues), ...credentials.errors];
  const warnings = [...warningsOf(raw), ...credentials.warnings].map(place('warning'));
  if (result.ok && issues.length === 0)
    return { ok: true, file, site: result.site, machines: result.machines, warnings: inOrder(warnings) };
  return { ok: false, file, problems: inOrder([...issues.map(place('error')), ...warnings]) };
}

/** A credential file that is missing or open to others is refused; what may be set later is flagged. */
function secretIssues(raw: unknown, secrets: Secrets): { errors: SiteIssue[]; warnings: SiteIssue[] } {
  const errors: SiteIssue[] = [];
  const warnings: SiteIssue[] = [];
  const walk = (value: unknown, path: (string | number)[]): void => {
    if (typeof value !== 'object' || value === null) return;
    const ref = secretRef.safeParse(value);
    if (ref.success) {
      const message = secrets.problem(ref.data);
      if (message !== undefined) ('file' in ref.data ? errors : warnings).push({ path, message });
      return;
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  const site = (raw ?? {}) as Record<string, unknown>;
  for (const list of ['machines', 'meters', 'uplinks', 'clusters', 'feeds', 'gridSignals']) walk(site[list], [list]);
  // The key of the site's own certificate is a credential too.
  const key = (site['server'] as { tls?: { key?: unknown } } | undefined)?.tls?.key;
  const message = typeof key === 'string' ? secrets.problem({ file: key }) : undefined;
  if (message !== undefined) errors.push({ path: ['server', 'tls', 'key'], message });
  return { errors, warnings };
}

/** Settings that may hold a credential by mistake: what stands there is not repeated in a terminal or a log. */
const HIDDEN = /password|token|secret|apikey|community/i;

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
  `${p.file}:${p.line}:${p.column}: ${p.severity === 'warning' ? 'warning: ' : ''}${p.path === '' ? '' : `${p.path}: `}${p.found === undefined ? '' : `found ${p.found}: `}${p.message}`;
