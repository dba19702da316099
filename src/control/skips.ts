/** Why a machine is not in the mode that is wanted of it. */
export const SKIP_REASONS = {
  shadow: 'the site or its group is in shadow, and nothing is written to it',
  unconfirmed: 'its group is in suggest, and nobody has confirmed this',
  unread: 'it was not read since the start, or does not say its mode',
  waiting: 'its turn has not come',
  sent: 'it was told and has not answered yet',
  unproven: 'it said yes, and no reading shows it yet',
  failed: 'it did not do as it was told',
  'wake-rate': 'its hall wakes so many machines a minute and no more',
  'no-room': 'the meters leave no room for it, or are silent',
  ramp: 'the contract lets import change so fast and no faster',
  dwell: 'it was changed a moment ago',
  cooling: "its hall's cooling does not show that it runs",
  'cooling-starts': "its hall's fans and pumps are being started, and flow is not read back yet",
  frost: "its hall's loop is cold and needs the heat",
  'pdu-rate': 'its PDU wakes its machines one after the other',
  stale: 'its last reading is too old to go by',
  phantom: 'it says it sleeps, and its outlet shows otherwise',
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;

export interface Skip {
  readonly reason: SkipReason;
  /** In a sentence. */
  readonly words: string;
}

export const skip = (reason: SkipReason, more?: string): Skip => ({
  reason,
  words: more === undefined ? SKIP_REASONS[reason] : `${SKIP_REASONS[reason]}: ${more}`,
});
