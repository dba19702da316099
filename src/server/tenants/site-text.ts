import { isMap, isPair, isScalar, isSeq, parseDocument, stringify, type Document, type YAMLMap } from 'yaml';
import type { Tenant } from '../../model/index.ts';

/** What may be changed of a tenant from here: as whom its jobs run, with credentials, stays the site file's. */
export type TenantEntry = Omit<Tenant, 'runAs'>;

/**
 * The text of a site file with a tenant put into it, in place of the one of its id or after the others. Nothing outside `tenants` changes by a
 * byte; within, what stays the same keeps its comments.
 * @param text of a site file that was checked
 */
export function withTenant(text: string, entry: TenantEntry): string {
  const block = blockOf(parseDocument(text));
  if (block === undefined) {
    const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return `${before}${stringify({ tenants: [fieldsOf(entry)] })}`;
  }
  const document = parseDocument(text.slice(block.start, block.end));
  const list = document.get('tenants');
  if (!isSeq(list)) document.set('tenants', document.createNode([fieldsOf(entry)]));
  else {
    const known = list.items.find((one): one is YAMLMap => isMap(one) && one.get('id') === entry.id);
    // What was written on one line would become one endless line.
    list.flow = false;
    if (known === undefined) list.add(document.createNode(fieldsOf(entry)));
    else change(document, known, fieldsOf(entry));
  }
  return `${text.slice(0, block.start)}${document.toString({ lineWidth: 0 })}${text.slice(block.end)}`;
}

/** Where `tenants` stands, from its key to the end of its last line. */
function blockOf(document: Document): { readonly start: number; readonly end: number } | undefined {
  if (!isMap(document.contents)) return undefined;
  const pair = document.contents.items.find((one) => isPair(one) && isScalar(one.key) && one.key.value === 'tenants');
  const key = isScalar(pair?.key) ? pair.key.range : undefined;
  const value = (pair?.value as { range?: readonly [number, number, number] } | null | undefined)?.range;
  return key == null || value === undefined ? undefined : { start: key[0], end: value[2] };
}

/** What has a default is left out where it is that, as a person would. */
function fieldsOf({ id, name, customers, quota, projects }: TenantEntry): Record<string, unknown> {
  return {
    id,
    name,
    ...(customers.length > 0 && { customers }),
    ...(quota !== undefined && { quota }),
    projects: projects.map(({ members, ...project }) => ({ ...project, ...(members.length > 0 && { members }) })),
  };
}

const CHANGED = ['name', 'customers', 'quota', 'projects'] as const;

function change(document: Document, known: YAMLMap, fields: Record<string, unknown>): void {
  for (const field of CHANGED) {
    if (!(field in fields)) known.delete(field);
    else if (JSON.stringify(asPlain(known.get(field, true), document)) !== JSON.stringify(fields[field]))
      known.set(field, document.createNode(fields[field]));
  }
}

const asPlain = (node: unknown, document: Document): unknown =>
  typeof node === 'object' && node !== null && 'toJS' in node ? (node as YAMLMap).toJS(document) : node;
