import { z } from 'zod';
import { Fault, secretRef, SERIES, type SeriesName } from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { baseUrl, below, everyMinutes, minutes, readParts, sample, type Part } from './shared/live.ts';
import { memory, type Memory } from './shared/memory.ts';
import { openWeb, whereOf } from './shared/web.ts';

type GpuSeries = Extract<SeriesName, `gpuUsdPerHour.${string}`>;
const GPU_SERIES = SERIES.filter((name): name is GpuSeries => name.startsWith('gpuUsdPerHour.'));

/** Names as the market gives its GPUs; the same A100 name stands for 40 and 80 GB. */
const STANDARD = [
  { series: 'gpuUsdPerHour.h100' as const, names: ['H100 SXM'] },
  { series: 'gpuUsdPerHour.h200' as const, names: ['H200'] },
  { series: 'gpuUsdPerHour.a100' as const, names: ['A100 SXM4'], minimumGb: 75 },
  { series: 'gpuUsdPerHour.rtx4090' as const, names: ['RTX 4090'] },
  { series: 'gpuUsdPerHour.rtxa6000' as const, names: ['RTX A6000'] },
];

const config = z.strictObject({
  url: baseUrl('https://console.vast.ai'),
  apikey: secretRef.describe('a key of a Vast.ai account; it needs to search offers and nothing more'),
  everyMinutes: everyMinutes(5),
  percentile: z
    .number()
    .min(1)
    .max(99)
    .default(50)
    .describe(
      'of the offers, by price per GPU; 50 is the median. Lower where one must be cheaper than others to be rented',
    ),
  minimumOffers: z
    .number()
    .int()
    .min(1)
    .default(5)
    .describe('fewer offers than this are no market, and no price is told'),
  gpus: z
    .array(
      z.strictObject({
        series: z.enum(GPU_SERIES as [GpuSeries, ...GpuSeries[]]),
        names: z.array(z.string().min(1)).min(1).describe('as Vast.ai names them (gpu_name), such as H100 SXM'),
        minimumGb: z
          .number()
          .positive()
          .optional()
          .describe('memory of one GPU; smaller ones of the same name are left out'),
      }),
    )
    .min(1)
    .default(STANDARD)
    .refine((gpus) => new Set(gpus.map(({ series }) => series)).size === gpus.length, 'a series twice'),
});
type Config = z.output<typeof config>;
type Gpu = Config['gpus'][number];

/** docs.vast.ai, "search offers": dph_total is dollars per hour for the whole offer, gpu_ram in MB per GPU. */
const offerShape = z.object({
  id: z.number(),
  gpu_name: z.string(),
  num_gpus: z.number().int().positive(),
  gpu_ram: z.number().positive(),
  dph_total: z.number(),
  rentable: z.boolean().optional(),
});
const replyShape = z.object({ offers: z.array(offerShape) });
type Offer = z.output<typeof offerShape>;

/** Far more than any one model is offered; a reply as long as this was cut, and its median would be that of a part. */
const MOST_OFFERS = 5_000;
/** Offers further than this factor from the median of all are slips or lures, and left out. */
const OUTLIER_FACTOR = 3;

export const vast = defineFeed({
  name: 'vast',
  about: 'What GPUs rent for by the hour: the median of rentable, verified on-demand offers on Vast.ai, by model',
  config,
  silence: 'a value holds for six hours',
  open({ config: settings }, io) {
    const web = openWeb(io);
    const intervalMs = minutes(settings.everyMinutes);
    const memories = settings.gpus.map(({ series: name }) =>
      memory({
        name,
        provenance: 'measured',
        source: `Vast.ai, ${settings.percentile === 50 ? 'median' : `percentile ${settings.percentile}`} of rentable on-demand offers`,
        intervalMs,
        holdsMs: Math.max(minutes(360), 2 * intervalMs),
        pace: 'samples',
        tellRestated: false,
      }),
    );

    async function read(gpu: Gpu, into: Memory, signal?: AbortSignal): Promise<string | undefined> {
      const request = {
        method: 'POST',
        url: below(settings.url, '/api/v0/bundles/'),
        headers: { authorization: `Bearer ${io.secret(settings.apikey)}`, 'content-type': 'application/json' },
        body: JSON.stringify(searchOf(gpu)),
        maxBytes: 32 * 1024 * 1024,
      } as const;
      const { offers } = await web.json(request, replyShape, signal);
      const where = `${whereOf(request)}, ${gpu.names.join(' and ')}`;
      const { usdPerHour, dropped, of } = quoteOf(offers, gpu, settings, where);
      into.add([sample(gpu.series, usdPerHour, where, io.siteNow(), intervalMs)]);
      if (dropped === 0) return undefined;
      return `${where}: ${dropped} of ${of} offers are over ${OUTLIER_FACTOR} times off the median and left out`;
    }

    return {
      everyMs: intervalMs,
      read: (signal) =>
        readParts(
          settings.gpus.map((gpu, i): Part => ({ memory: memories[i]!, read: () => read(gpu, memories[i]!, signal) })),
          () => io.siteNow(),
        ),
      close() {},
    };
  },
});

/** One model a request: a reply that holds every model may be cut, and nobody would know. */
const searchOf = ({ names }: Gpu): object => ({
  type: 'on-demand',
  verified: { eq: true },
  rentable: { eq: true },
  rented: { eq: false },
  gpu_name: { in: names },
  order: [['id', 'asc']],
  limit: MOST_OFFERS,
});

/**
 * The price of one GPU for an hour. Outliers: offers below a third or above three times the median of all are left
 * out before the percentile is taken.
 * @throws Fault `garbled` for prices that are none, `refused` where the offers are too few to be a market
 */
export function quoteOf(
  offers: readonly Offer[],
  gpu: Gpu,
  { percentile, minimumOffers }: Pick<Config, 'percentile' | 'minimumOffers'>,
  where: string,
): { usdPerHour: number; dropped: number; of: number } {
  if (offers.length >= MOST_OFFERS)
    throw new Fault('garbled', `${where}: ${offers.length} offers, as many as were asked for: the list was cut`);
  const wanted = new Set(gpu.names);
  const prices = offers
    // What the search was told to leave out, and what it cannot be told: the memory of one GPU.
    .filter((offer) => wanted.has(offer.gpu_name) && offer.rentable !== false)
    .filter((offer) => offer.gpu_ram >= (gpu.minimumGb ?? 0) * 1024)
    .map((offer) => {
      const price = offer.dph_total / offer.num_gpus;
      if (Number.isFinite(price) && price > 0) return price;
      throw new Fault(
        'garbled',
        `${where}: offer ${offer.id} costs ${offer.dph_total} $/h for ${offer.num_gpus} GPUs, expected a price`,
      );
    })
    .toSorted((a, b) => a - b);
  const enough = (count: number, what: string): void => {
    if (count < minimumOffers)
      throw new Fault('refused', `${where}: ${count} ${what}, fewer than ${minimumOffers}: too few to be a price`);
  };
  enough(prices.length, 'offers');
  const median = quantile(prices, 50);
  const kept = prices.filter((price) => price >= median / OUTLIER_FACTOR && price <= median * OUTLIER_FACTOR);
  enough(kept.length, 'offers near their median');
  return { usdPerHour: quantile(kept, percentile), dropped: prices.length - kept.length, of: prices.length };
}

/** Linear between the two nearest (Hyndman and Fan's type 7); the median of an even count is the mean of its middle two. */
function quantile(ascending: readonly number[], percentile: number): number {
  const at = ((ascending.length - 1) * percentile) / 100;
  const low = ascending[Math.floor(at)]!;
  const high = ascending[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}
