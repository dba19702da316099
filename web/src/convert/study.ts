import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ConvertResult } from '../../../src/model/convert-api.ts';
import { api } from '../http.ts';

/** Assumptions that have a handle on the page, in the order they stand there. */
export const HANDLES = [
  { key: 'hashpriceUsdPerPhDay', word: 'Hashprice', from: 10, to: 100, step: 0.5 },
  { key: 'powerPriceFactor', word: 'Power price', from: 0.3, to: 3, step: 0.05 },
  { key: 'coloRentUsdPerKwMonth', word: 'Colocation rent', from: 60, to: 260, step: 1 },
  { key: 'coloOccupancyPct', word: 'Share rented', from: 30, to: 100, step: 1 },
  { key: 'gpuRentFactor', word: 'GPU rent', from: 0.3, to: 2.5, step: 0.05 },
  { key: 'gpuUtilisationPct', word: 'GPU-hours sold', from: 20, to: 100, step: 1 },
  { key: 'discountPct', word: 'Discount rate', from: 4, to: 25, step: 0.5 },
] as const;

export type HandleKey = (typeof HANDLES)[number]['key'];
export type Overrides = Readonly<Partial<Record<HandleKey, number>>>;

export interface Ask {
  readonly years: number;
  readonly assumptions: Overrides;
}
export const PLAIN: Ask = { years: 10, assumptions: {} };

const DEBOUNCE_MS = 350;

/** The study as asked for, once the hand has come to rest; the one before stays until the new one is there. */
export function useStudy(ask: Ask) {
  const [settled, setSettled] = useState(ask);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(ask), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [ask]);
  const query = useQuery({
    queryKey: ['convert', settled],
    queryFn: ({ signal }) => api<ConvertResult>('/convert', { method: 'POST', body: settled, signal }),
    placeholderData: keepPreviousData,
    gcTime: 60_000,
  });
  return { ...query, working: query.isFetching || settled !== ask };
}
