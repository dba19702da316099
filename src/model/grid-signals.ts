import { z } from 'zod';
import { secretRef } from './secret.ts';

/**
 * Where the grid, or whoever speaks for it, tells the site what it may draw. What each source tells becomes events of
 * the one law in `control/grid/law.ts`.
 */

const id = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes');

/** `hold`: what was told last goes on to its end; `safe-limit`: import also stays below a limit; `release`: nothing told counts any more. */
export const STALE_POLICIES = ['hold', 'safe-limit', 'release'] as const;

const stale = z
  .strictObject({
    seconds: z.number().positive().describe('without a sign of life after which the source is stale'),
    policy: z
      .enum(STALE_POLICIES)
      .describe(
        'hold: what was told goes on to its end; safe-limit: the same, and import stays below safeLimitMw; release: what was told counts no more',
      ),
    safeLimitMw: z
      .number()
      .min(0)
      .optional()
      .describe('import that may go on while it is stale, with policy: safe-limit'),
  })
  .refine(({ policy, safeLimitMw }) => (policy === 'safe-limit') === (safeLimitMw !== undefined), {
    error: 'expected safeLimitMw with policy: safe-limit, and with nothing else',
    path: ['safeLimitMw'],
  });

/** `cap`: import at most; `set-point`: import at, both ways; `emergency`: a cap before all else. */
export const GRID_KINDS = ['cap', 'set-point', 'emergency'] as const;
export type GridKind = (typeof GRID_KINDS)[number];

const may = z.strictObject({
  kinds: z
    .array(z.enum(GRID_KINDS))
    .min(1)
    .optional()
    .describe(
      'what it may command; absent: cap and set-point of a webhook, set-point of a base point, and all of a VTN, whose emergencies emergencyMw declares',
    ),
  priority: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('the highest it may name, 0 being the highest of all; absent: its own'),
  leastImportMw: z.number().min(0).default(0).describe('import below which it may not command'),
});

const common = {
  id,
  stale,
  may: may.prefault({}).describe('how far whoever holds its key may command the site; what goes beyond is refused'),
  priority: z
    .number()
    .int()
    .min(0)
    .default(10)
    .describe('of what it tells without a priority of its own; 0 is the highest'),
  responseSeconds: z
    .number()
    .positive()
    .default(120)
    .describe('of site time, in which import must be where it is demanded; after that an alarm is raised'),
};

const url = z.url({ protocol: /^https?$/, error: 'expected an address such as https://vtn.example/openadr3/3.1.0' });

const openadr = z.strictObject({
  ...common,
  kind: z.literal('openadr'),
  url: url.describe('base address of the VTN; https, or http on loopback'),
  tokenUrl: url.optional().describe('where tokens are given; absent: the VTN says so itself'),
  clientId: z.string().min(1),
  clientSecret: secretRef,
  scope: z.string().optional().describe('asked for with the token; absent: none is named'),
  venName: z.string().min(1).max(128).describe('what the site calls itself'),
  programs: z.array(z.string().min(1)).min(1).optional().describe('names of programs that are followed; absent: all'),
  targets: z
    .array(z.string().min(1).max(128))
    .default([])
    .describe('asked for; absent: whatever the VTN shows the site'),
  emergencyMw: z.number().min(0).describe('import that may go on in a grid emergency, which names no figure'),
  simpleMw: z
    .tuple([z.number().min(0), z.number().min(0), z.number().min(0)])
    .optional()
    .describe('import that may go on at levels 1, 2 and 3 of SIMPLE; absent: such events are shown and not followed'),
  pollSeconds: z.number().min(1).default(15),
  reportSeconds: z.number().min(1).default(60).describe('between two reports of what is drawn during an event'),
});

const basePoint = z.strictObject({
  ...common,
  kind: z.literal('base-point'),
  host: z.string().default('127.0.0.1').describe('address listened at; beyond loopback only with tls'),
  port: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(1_802)
    .describe('802 is the registered port of Modbus/TCP Security'),
  unitId: z.number().int().min(1).max(247).default(1),
  tls: z
    .strictObject({
      certificate: z.string(),
      key: z.string(),
      clientCa: z.string().describe('who signs the certificates of controllers; others are not spoken to'),
    })
    .optional()
    .describe('PEM files; Modbus/TCP Security'),
});

const webhook = z.strictObject({
  ...common,
  kind: z.literal('webhook'),
  secret: secretRef.describe('whsec_ and the key in base64, 24 bytes at least; or the key itself'),
});

export const gridSignal = z.discriminatedUnion('kind', [openadr, basePoint, webhook]);
export type GridSignal = z.infer<typeof gridSignal>;
export type OpenAdrSource = z.infer<typeof openadr>;
export type BasePointSource = z.infer<typeof basePoint>;
/** How far a source may command the site. */
export interface Authority {
  readonly kinds: readonly GridKind[];
  /** The highest it may name: 0 is the highest. */
  readonly priority: number;
  readonly leastImportW: number;
}

/** What a source that declares nothing may command: emergencies only where the site file says what is to be done in one. */
const KINDS_OF: Readonly<Record<GridSignal['kind'], readonly GridKind[]>> = {
  openadr: GRID_KINDS,
  'base-point': ['set-point'],
  webhook: ['cap', 'set-point'],
};

export const authorityOf = ({ kind, priority, may: declared }: GridSignal): Authority => ({
  kinds: declared.kinds ?? KINDS_OF[kind],
  priority: declared.priority ?? priority,
  leastImportW: declared.leastImportMw * 1e6,
});

export type StalePolicy = GridSignal['stale'];
