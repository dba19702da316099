import type { TenantView, UsageView } from '../../../src/model/tenants-api.ts';
import { money, number } from '../format.ts';
import { Figure } from '../parts.tsx';

/** Cut and not rounded: what is below a step must not read as if it were on it. */
const percent = (pct: number): string => `${Math.floor(pct * 1000 + 1e-6) / 1000} %`;

export function promisedText(steps: TenantView['commitments'][number]['availability']): string {
  if (steps.length === 0) return '';
  const each = steps.map(({ belowPct, creditUsd }) => `${money(creditUsd)} for a month below ${percent(belowPct)}`);
  return ` For availability ${each.join(', ')} is credited.`;
}

/** What was promised of a month, and what is known of it. */
export function AvailabilityLines({ usage: { availability, running } }: { usage: UsageView }) {
  return availability.map(
    ({ contract, promisedPct, availabilityPct, missedGpuHours, missableGpuHours, unknownGpuHours }) => (
      <p key={contract} className="row-detail">
        Availability of {contract}
        {running && ' so far'}:{' '}
        <Figure
          text={availabilityPct === null ? money(null) : percent(availabilityPct)}
          title="What nobody saw could be more than may still be missed"
        />
        , {percent(promisedPct)} promised. {number(missedGpuHours, 1)} of the {number(missableGpuHours, 1)} GPU-hours
        that may be missed in the month are
        {unknownGpuHours >= 0.05 && `; of ${number(unknownGpuHours, 1)} more nobody knows`}.
      </p>
    ),
  );
}
