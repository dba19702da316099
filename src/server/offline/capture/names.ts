import type { HttpRequest } from '../../../model/index.ts';

/**
 * What a capture calls the answer to a request, and which file of a stranger's folder is meant. Captures come from many
 * hands: `system_info`, `get_system_info` and `web_get_system_info` are the same page.
 */

const squeezed = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');

/** Words that tell of the transport or the verb and not of what was asked. */
const bare = (name: string): string => {
  let rest = squeezed(name);
  for (;;) {
    const next = rest.replace(/^(web|rpc|api|v\d|cgi_bin|get|gql|http|tcp)_(?=.)/, '').replace(/_(cgi|json)$/, '');
    if (next === rest) return rest;
    rest = next;
  }
};

/** Other names of the same answer: public clients call `get_miner_conf` so. */
const SAME: ReadonlyMap<string, string> = new Map([['conf', 'miner_conf']]);

/** Words that collectors put around a command to tell one capture from another. */
const AROUND =
  /^(avalon_[aq]|new_api|old|new)_(?=.)|_(with_[a-z_]+|parsed|raw|malformed|damaged|broken|old|new|v?\d+(_\d+)*)$/g;

const core = (name: string): string => {
  const rest = bare(bare(name).replaceAll(AROUND, ''));
  return SAME.get(rest) ?? rest;
};

/** Name of an HTTP answer where the driver gave none: `/api/v1/miner/details` is `miner_details`. */
export function httpName(request: Pick<HttpRequest, 'url' | 'name'>): string {
  if (request.name !== undefined) return request.name;
  const { pathname, searchParams } = new URL(request.url);
  const path = pathname.replace(/^\/(api|cgi-bin)(?=\/)/, '').replace(/^\/v\d+(?=\/)/, '');
  const level = [...searchParams.values()].filter((value) => /^[a-z]+$/i.test(value));
  return squeezed([path.replace(/\.(cgi|json|html?)$/, ''), ...level].join('_')) || 'index';
}

/**
 * The file meant by a name: the very name, one for this transport, one that differs in such words alone, and at last the
 * only one that differs in a collector's words.
 */
export function fileFor(
  files: ReadonlyMap<string, string>,
  name: string,
  transport: 'web' | 'rpc',
): string | undefined {
  const wanted = squeezed(name);
  for (const exact of [`${transport}_${wanted}`, wanted]) {
    const found = [...files.keys()].find((file) => squeezed(file) === exact);
    if (found !== undefined) return found;
  }
  const other = transport === 'web' ? 'rpc' : 'web';
  const close = [...files.keys()].filter(
    (file) => bare(file) === bare(name) && !squeezed(file).startsWith(`${other}_`),
  );
  const found = close.find((file) => squeezed(file).startsWith(`${transport}_`)) ?? close[0];
  if (found !== undefined) return found;
  const alike = [...files.keys()].filter(
    (file) => core(file) === core(name) && !squeezed(file).startsWith(`${other}_`),
  );
  return alike.length === 1 ? alike[0] : undefined;
}
