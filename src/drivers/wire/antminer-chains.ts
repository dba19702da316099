import { Fault, type Gap } from '../../model/index.ts';
import { chainsOfPage, chainsOfSummaryPage } from './antminer.ts';
import { part, requirePart } from './cgminer.ts';
import { fields, text, type Fields } from './fields.ts';

/**
 * Where a stock Antminer tells what its chains do: `stats` on 4028, and where that port is closed to us, does not know
 * the command or is not understood, its pages and cgminer's summary.
 */
export interface Chains {
  /** Under the names of 4028. */
  readonly chains: Fields;
  readonly type?: string | undefined;
}

type AskRpc = (command: string, signal?: AbortSignal) => Promise<Fields>;
interface Pages {
  get(name: string, signal?: AbortSignal): Promise<Fields>;
}
type Source = (ask: AskRpc, pages: Pages, address: string, signal?: AbortSignal) => Promise<Chains>;

const fromPage =
  (name: string, of: (page: Fields) => Fields | undefined): Source =>
  async (_ask, pages, address, signal) => {
    const page = await pages.get(name, signal);
    const chains = of(page);
    if (chains !== undefined) return { chains, type: text(fields(page['INFO'])['type']) };
    throw new Fault('garbled', `${address} ${name}: a page without a hashrate`, { bytes: JSON.stringify(page) });
  };

const fromStats: Source = async (ask, _pages, address, signal) => {
  const reply = await ask('stats', signal);
  const rows = part(reply, 'stats', 'STATS');
  const type = text(rows.find((row) => 'Type' in row)?.['Type']);
  const chains = rows.some((row) => 'GHS 5s' in row)
    ? undefined
    : (rows.find((row) => 'GHS av' in row) ?? chainsOfPage(reply));
  return { chains: chains ?? requirePart(reply, 'stats', 'STATS', 'GHS 5s', `${address} stats`), type };
};

const fromSummary: Source = async (ask, _pages, address, signal) => {
  const reply = await ask('summary', signal);
  return { chains: requirePart(reply, 'summary', 'SUMMARY', 'GHS 5s', `${address} summary`) };
};

const SOURCES: readonly Source[] = [
  fromStats,
  fromPage('stats', chainsOfPage),
  fromSummary,
  fromPage('summary', chainsOfSummaryPage),
];

/** Somebody is there who does not answer this: another way is worth a try. Silence is not. */
function mayBeElsewhere(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  if (error.kind === 'unsupported' || error.kind === 'garbled' || error.kind === 'refused') return true;
  return error.kind === 'unreachable' && fields(error.cause)['code'] === 'ECONNREFUSED';
}

/** Asks the first source that answers, and remembers those that are not there. */
export function chainSources(address: string, ask: AskRpc, pages: Pages) {
  let first = 0;
  return async (signal?: AbortSignal): Promise<Chains & { readonly gaps: readonly Gap[] | undefined }> => {
    const failed: Fault[] = [];
    for (let i = first; i < SOURCES.length; i += 1) {
      try {
        const found = await SOURCES[i]!(ask, pages, address, signal);
        const garbled = failed.filter(({ kind }) => kind === 'garbled');
        if (garbled.length === 0) first = i;
        const gaps = garbled.map(({ kind, message }) => ({ part: 'stats', kind, message }));
        return { ...found, gaps: gaps.length === 0 ? undefined : gaps };
      } catch (error) {
        if (!mayBeElsewhere(error)) {
          first = 0;
          throw error;
        }
        failed.push(error as Fault);
      }
    }
    first = 0;
    // That an answer was not understood says more than that another is not there.
    throw failed.find(({ kind }) => kind === 'garbled') ?? failed[0]!;
  };
}
