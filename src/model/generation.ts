import type { GeneratorFacts } from './snapshot.ts';
import type { Site } from './site.ts';

/** On-site generators as a plan sees them. */
export const generatorFacts = ({ generation }: Pick<Site, 'generation'>): GeneratorFacts[] =>
  generation.map(({ id, kind, capacityMw, usdPerMwh, series }) => ({
    id,
    capacityW: capacityMw * 1e6,
    usdPerMwh,
    series,
    // What nobody tells of sun and wind is nothing; a gas engine stands there in any weather.
    untoldW: kind === 'gas' && series === undefined ? capacityMw * 1e6 : 0,
  }));
