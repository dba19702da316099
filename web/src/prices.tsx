import type { Overview } from '../../src/model/api.ts';
import { age, known, number, quote } from './format.ts';
import { FeedList } from './feeds.tsx';
import { Card, Empty, Figure } from './parts.tsx';

/** In the order they are shown. */
const PRICE_WORDS: Readonly<Record<string, string>> = {
  priceUsdPerMwh: 'Power, real time',
  dayAheadUsdPerMwh: 'Power, day ahead',
  btcUsd: 'Bitcoin',
  difficulty: 'Difficulty',
  feesBtcPerBlock: 'Fees per block',
  systemLoadMw: 'Load of the power system',
  'gpuUsdPerHour.h200': 'H200',
  'gpuUsdPerHour.h100': 'H100',
  'gpuUsdPerHour.a100': 'A100',
  'gpuUsdPerHour.rtx4090': 'RTX 4090',
  'gpuUsdPerHour.rtxa6000': 'RTX A6000',
  'availableMw.solar': 'Solar available',
  'availableMw.wind': 'Wind available',
  'availableMw.gas': 'Gas available',
  requestsPerSecond: 'Inference requests',
};

const ORDER = Object.keys(PRICE_WORDS);
const place = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

const PROVENANCE = {
  measured: { word: 'measured', about: 'Really happened at that moment' },
  rounded: { word: 'rounded', about: 'A public figure, rounded' },
  list: { word: 'list price, constant', about: 'A list price held constant, because no moving quote exists' },
} as const;

/** `$/MWh` beside a figure that already carries its dollar sign reads `/MWh`. */
const unitBeside = (unit: string): string => {
  if (unit === '$' || unit.toUpperCase() === 'USD') return '';
  return unit.replace(/^(\$|USD)\s*\/\s*/i, '/');
};

export function PricesSection({ overview: { prices, weather, feeds } }: { overview: Overview }) {
  return (
    <Card
      id="prices"
      title="Prices and weather"
      aside={
        <span className="muted">
          {known(weather.temperatureC) ? `${number(weather.temperatureC, 1)} °C` : 'temperature unknown'}
          {known(weather.wetBulbC) && `, wet bulb ${number(weather.wetBulbC, 1)} °C`}
        </span>
      }
    >
      {prices.length === 0 ? (
        <Empty title="No price has come in yet" />
      ) : (
        <table className="price-table">
          <thead className="sr-only">
            <tr>
              <th>Price</th>
              <th>Value and age</th>
            </tr>
          </thead>
          <tbody>
            {prices
              .toSorted((a, b) => place(a.name) - place(b.name))
              .map((price) => (
                <tr key={price.name} className={price.stale ? 'is-old' : ''} title={price.source}>
                  <th scope="row">
                    {PRICE_WORDS[price.name] ?? price.name}
                    <span className="row-detail" title={PROVENANCE[price.provenance].about}>
                      {PROVENANCE[price.provenance].word}
                    </span>
                  </th>
                  <td className="num">
                    <Figure text={quote(price.value, price.unit)} unit={unitBeside(price.unit)} />
                    <span className={price.stale ? 'row-detail tone-warn' : 'row-detail'}>
                      {price.stale && 'stale, '}
                      {known(price.ageMs) ? `${age(price.ageMs)} old` : 'age unknown'}
                      {known(price.plannedWith) && `, planned with ${quote(price.plannedWith, price.unit)}`}
                    </span>
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
      {feeds.length > 0 && <FeedList feeds={feeds} />}
    </Card>
  );
}
