/**
 * Long campaigns, beside `npm test` and not part of it:
 *
 *   npm run soak -- [site] [--minutes 30] [--kills 10] [--speed 30] [--seed 1]   kills a running demo at random moments
 *   npm run soak -- fuzz [--runs 1000000] [--seed 1] [--driver NAME]             damaged answers for every driver
 *   npm run soak -- campaign [--hours 2] [--seed 1]                              everything goes wrong (campaign.ts)
 */
const [first = ''] = process.argv.slice(2);
const CAMPAIGNS: Readonly<Record<string, () => Promise<unknown>>> = {
  fuzz: () => import('./soak-fuzz.ts'),
  site: () => import('./soak-site.ts'),
  campaign: () => import('./campaign.ts'),
};
const named = CAMPAIGNS[first];
if (named !== undefined) process.argv.splice(2, 1);
await(named ?? CAMPAIGNS['site']!)();
