import { CATALOGUE, type ModePoint } from '../../model/index.ts';

/**
 * Nameplate figures under the name of the mode they belong to; firmware with work modes lists none of its own,
 * and calls `normal` what the catalogue calls `default`.
 */
export function factoryPoints(modelId: string): readonly ModePoint[] | undefined {
  const model = CATALOGUE.get(modelId);
  if (model?.kind !== 'asic') return undefined;
  return model.points.map((point) => (point.profile === 'default' ? { ...point, profile: 'normal' } : point));
}
