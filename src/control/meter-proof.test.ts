import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judge, type MeterClaim } from './meter-proof.ts';

/** A hall of 1 MW in which some machines say they dropped 400 kW. */
const claim: MeterClaim = {
  meterBeforeW: 1_000_000,
  meterNowW: 568_000,
  machinesBeforeW: 900_000,
  machinesNowW: 500_000,
  claimedW: -400_000,
  coolingPerW: 0.08,
};

test('a drop that shows in the meter with its cooling is confirmed', () => {
  expect(judge(claim)).toBe('confirmed');
});

test('a drop that the meter does not show is contradicted', () => {
  expect(judge({ ...claim, meterNowW: 1_000_000 })).toBe('contradicted');
  expect(judge({ ...claim, meterNowW: 850_000 })).toBe('contradicted');
  expect(judge({ ...claim, meterNowW: 1_400_000 })).toBe('contradicted');
});

test('what is smaller than the noise of meter and machines proves nothing', () => {
  expect(judge({ ...claim, claimedW: -19_000 })).toBe('too-small');
  expect(judge({ ...claim, claimedW: -21_000, machinesNowW: 879_000, meterNowW: 977_000 })).toBe('confirmed');
});

test('machines that changed besides are taken into account', () => {
  // 400 kW went down by command while 250 kW came up by themselves.
  const besides = { ...claim, machinesNowW: 750_000 };
  expect(judge({ ...besides, meterNowW: 838_000 })).toBe('confirmed');
  expect(judge({ ...besides, meterNowW: 568_000 })).toBe('contradicted');
});

test('property: the truth is always confirmed or too small, a silent meter never confirms a large claim', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 20e6, noNaN: true }),
      fc.double({ min: 0, max: 20e6, noNaN: true }),
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.double({ min: 0, max: 200_000, noNaN: true }),
      (machinesBeforeW, machinesNowW, coolingPerW, baseW) => {
        const meter = (watts: number) => watts * (1 + coolingPerW) + baseW;
        const told = {
          meterBeforeW: meter(machinesBeforeW),
          machinesBeforeW,
          machinesNowW,
          claimedW: machinesNowW - machinesBeforeW,
          coolingPerW,
        };
        expect(judge({ ...told, meterNowW: meter(machinesNowW) })).not.toBe('contradicted');
        const large = Math.abs(told.claimedW) > 0.1 * told.meterBeforeW + 100_000;
        if (large) expect(judge({ ...told, meterNowW: told.meterBeforeW })).toBe('contradicted');
      },
    ),
  );
});
