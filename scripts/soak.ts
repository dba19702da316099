/**
 * Long campaigns, beside `npm test` and not part of it:
 *
 *   npm run soak -- [site] [--minutes 30] [--kills 10] [--speed 30] [--seed 1]   kills a running demo at random moments
 *   npm run soak -- fuzz [--runs 1000000] [--seed 1] [--driver NAME]             damaged answers for every driver
 */
const [first = ''] = process.argv.slice(2);
if (first === 'fuzz' || first === 'site') process.argv.splice(2, 1);
await(first === 'fuzz' ? import('./soak-fuzz.ts') : import('./soak-site.ts'));
