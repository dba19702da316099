import type { Hall } from '../src/model/index.ts';

/** What a plant of each kind delivers when nobody has asked for anything else, in C. */
const DESIGN_C: Readonly<Record<Hall['cooling']['kind'], number>> = { air: 22, chilled: 18, hydro: 27 };

export const designSetPointC = (hall: Hall): number => DESIGN_C[hall.cooling.kind];

interface Plants {
  readonly site: { readonly plant: readonly { readonly kind: string; readonly hall: string }[] };
  readonly state: { readonly setPoints: ReadonlyMap<number, number> };
}

/** How much warmer than designed a hall is supplied: the mean of its cooling plants, 0 where it has none of its own. */
export function supplyShiftC({ site, state }: Plants, hall: Hall): number {
  const design = designSetPointC(hall);
  const plants = site.plant.filter(({ kind }) => kind === 'cooling');
  const shifts = plants.flatMap((plant, index) =>
    plant.hall === hall.id ? [(state.setPoints.get(index) ?? design) - design] : [],
  );
  return shifts.length === 0 ? 0 : shifts.reduce((sum, shift) => sum + shift, 0) / shifts.length;
}

/** Share of cooling power left: about 2.5 % less for each degree warmer, as chiller makers state (2 to 4 %). */
export const coolingShare = (shiftC: number): number => Math.min(1.4, Math.max(0.6, 1 - 0.025 * shiftC));
