import type { Command } from 'commander';
import { forecastScores, type ForecastScoresView } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { print, printJson, table } from './output.ts';

export function forecastVerb(program: Command): void {
  program
    .command('forecast')
    .description('how far the forecasts of price, weather, hash and GPUs wanted were off over the last week')
    .option('--json', 'the scores as the API gives them')
    .option('--server <url>', 'address of the server', defaultServer())
    .action(async ({ json, server }: { json?: boolean; server: string }) => {
      const view = await ask(server, '/api/v1/forecast-scores', forecastScores);
      if (json === true) printJson(view);
      else print(scoresText(view));
    });
}

const WORDS = {
  priceUsdPerMwh: 'price, $/MWh',
  wetBulbC: 'wet bulb, C',
  hashpriceUsdPerPhDay: 'hash, $/PH/day',
  wantedGpus: 'GPUs wanted',
} as const;
const signed = (value: number): string => `${value > 0 ? '+' : ''}${value.toFixed(2)}`;

function scoresText({ from, at, scores }: ForecastScoresView): string {
  const head = `forecasts made since ${from}, held against what came until ${at}`;
  if (scores.length === 0) return `${head}\nnothing to compare yet: an hour of prices or weather has to pass first`;
  const rows = scores.map((one) => [
    one.workClass === undefined ? WORDS[one.what] : `${WORDS[one.what]}, ${one.workClass}`,
    `${one.leadHours} h`,
    one.meanAbsoluteError.toFixed(2),
    signed(one.bias),
    one.persistenceError.toFixed(2),
    String(one.samples),
  ]);
  return [
    head,
    '',
    table(['forecast', 'ahead', 'error', 'bias', 'no change', 'samples'], rows, [1, 2, 3, 4, 5]),
    'error: mean of the absolute errors; no change: the same, had it said that nothing changes',
  ].join('\n');
}
