import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { ConvertResult } from '../../model/convert-api.ts';
import type { Series, Site } from '../../model/index.ts';
import { joinSeries, readSeries } from '../../strategy/recordings.ts';
import { reportHtml } from '../../strategy/report.ts';
import { runStudy } from '../../strategy/run.ts';
import { studySchema, type Study } from '../../strategy/study.ts';
import { checkSiteFile, type Problem } from './check.ts';
import { dayStart, filesAt, readText } from './history-files.ts';

export { formatProblem } from './check.ts';
export { monthsText, shortUsd } from '../../strategy/words.ts';
export { reportHtml };

/** A mistake that a person can mend, in words. */
export class ConvertError extends Error {}

export interface ConvertFiles {
  readonly site: string;
  readonly study?: string | undefined;
  /** A CSV (.csv or .csv.gz) of prices, or a folder of recorded series; absent: the recorded feeds of the site file. */
  readonly prices?: string | undefined;
  /** Days, UTC; `to` is the day after the last. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Told what comes next, in words. */
  readonly onStage?: ((stage: string) => void) | undefined;
}

export type ConvertOutcome =
  | { readonly ok: true; readonly result: ConvertResult }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads site, study and prices and runs the study. @throws ConvertError for what is wrong with prices or period. */
export async function convertOffline(files: ConvertFiles): Promise<ConvertOutcome> {
  const checked = await checkSiteFile(files.site);
  const told =
    files.study === undefined ? ({ ok: true, study: studySchema.parse({}) } as const) : await readStudy(files.study);
  const problems = [...(checked.ok ? [] : checked.problems), ...(told.ok ? [] : told.problems)];
  if (!checked.ok || !told.ok) return { ok: false, problems };
  const { site, machines } = checked;
  try {
    files.onStage?.('reading prices');
    const series = await readPrices(files, site);
    const period = { from: dayStart(files.from, '--from'), to: dayStart(files.to, '--to') };
    return {
      ok: true,
      result: runStudy({ site, machines, series, study: told.study, ...period, onStage: files.onStage }),
    };
  } catch (error) {
    throw new ConvertError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function readPrices({ prices, site: siteFile }: ConvertFiles, site: Site): Promise<Series[]> {
  const sources = prices === undefined ? recordedFolders(siteFile, site) : [prices];
  if (sources.length === 0)
    throw new Error('no prices to replay: give --prices, or a feed "recorded" in the site file');
  const files = (await Promise.all(sources.map(filesAt))).flat();
  if (files.length === 0) throw new Error(`${sources.join(', ')}: no .csv or .csv.gz files`);
  return joinSeries(await Promise.all(files.map(async (file) => readSeries(await readText(file), file))));
}

function recordedFolders(siteFile: string, site: Site): string[] {
  return site.feeds.flatMap(({ feed, settings }) => {
    const folder = (settings as { folder?: unknown }).folder;
    return feed === 'recorded' && typeof folder === 'string' ? [resolve(dirname(siteFile), folder)] : [];
  });
}

const top = (file: string) => ({ file, line: 1, column: 1, path: '', found: undefined, severity: 'error' }) as const;

export type ReadStudy =
  | { readonly ok: true; readonly study: Study }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads and checks a study file; every mistake is reported at once, with its place. */
export async function readStudy(file: string): Promise<ReadStudy> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const message = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error);
    return { ok: false, problems: [{ ...top(file), message }] };
  }
  return checkStudyText(text, file);
}

export function checkStudyText(text: string, file: string): ReadStudy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => ({
      ...top(file),
      ...at(pos[0]),
      message: message.split('\n')[0] ?? 'not YAML',
    }));
    return { ok: false, problems };
  }
  let raw: unknown;
  try {
    raw = document.toJS() ?? {};
  } catch (error) {
    return { ok: false, problems: [{ ...top(file), message: error instanceof Error ? error.message : String(error) }] };
  }
  const parsed = studySchema.safeParse(raw);
  if (parsed.success) return { ok: true, study: parsed.data };
  const problems = parsed.error.issues.flatMap((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return keys.map((path) => {
      const { offset, found } = locate(document, path);
      const message = issue.code === 'unrecognized_keys' ? 'not known here' : issue.message;
      return { ...top(file), ...at(offset), path: path.map(String).join('.'), message, found };
    });
  });
  return { ok: false, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** The node at a path or, where it is missing, the nearest one above it. */
function locate(document: Document, path: readonly PropertyKey[]): { offset: number; found: string | undefined } {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      offset = (next as { range?: [number] } | undefined)?.range?.[0] ?? offset;
    }
    if (next === undefined || next === null) return { offset, found: undefined };
    node = next;
  }
  if (!isScalar(node)) return { offset, found: undefined };
  return { offset: node.range?.[0] ?? offset, found: JSON.stringify(node.value) };
}
