/** One sample of the Prometheus text format. `value` is left as text: the reader decides what a NaN means. */
export interface Metric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

const LABEL = /([a-zA-Z_][\w]*)="((?:[^"\\]|\\.)*)"/g;

/**
 * Samples whose name begins with `prefix`; comments, other metrics and broken lines are passed over. So is a last line
 * without its line feed: every line of the format has one, and half a number would pass for a whole one.
 */
export function parseMetrics(body: string, prefix: string): Metric[] {
  const metrics: Metric[] = [];
  for (const line of body.split('\n').slice(0, -1)) {
    if (!line.startsWith(prefix)) continue;
    const open = line.indexOf('{');
    const close = line.lastIndexOf('}');
    if (open < 0 || close < open) continue;
    const value =
      line
        .slice(close + 1)
        .trim()
        .split(/\s+/)[0] ?? '';
    const labels: Record<string, string> = {};
    for (const match of line.slice(open + 1, close).matchAll(LABEL)) labels[match[1]!] = match[2]!;
    metrics.push({ name: line.slice(0, open), labels, value });
  }
  return metrics;
}
