import { z } from 'zod';
import { fullSiteSchema } from '../registry.ts';

/** JSON Schema (2020-12) of a site file as a person writes it: what has a default may be left out. */
export function siteJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(fullSiteSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
  return { ...schema, title: 'Busbar site file' };
}
