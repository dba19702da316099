/** Four taps on one bar: what the name means. */
export function BusbarMark() {
  return (
    <svg className="brand-mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M3.5 9h17" stroke="currentColor" strokeWidth="3.2" strokeLinecap="round" />
      <path d="M12 2.5V9M6.5 10v10M12 10v5.5M17.5 10v8" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
