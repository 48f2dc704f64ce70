// Prometheus text, read.

/** By metric with its labels as printed, and the sum over all labels by bare name. */
export type Metrics = ReadonlyMap<string, number>;

const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)$/;

/** Comments, and lines that are no samples, are left out. */
export function metricsOf(text: string): Map<string, number> {
  const metrics = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (name === '' || Number.isNaN(Number(value))) continue;
    for (const key of new Set([name, name + labels])) metrics.set(key, (metrics.get(key) ?? 0) + Number(value));
  }
  return metrics;
}
