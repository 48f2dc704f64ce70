// Prometheus text format 0.0.4.
import type { Sample } from './ports.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** All samples of a metric stand together under one HELP and TYPE, in the order in which the metrics first came. */
export function metricsText(samples: readonly Sample[]): string {
  const metrics = new Map<string, { readonly first: Sample; readonly lines: string[] }>();
  for (const sample of samples) {
    let metric = metrics.get(sample.name);
    if (!metric) metrics.set(sample.name, (metric = { first: sample, lines: [] }));
    metric.lines.push(`${sample.name}${labels(sample.labels)} ${number(sample.value)}\n`);
  }
  let text = '';
  for (const [name, { first, lines }] of metrics) {
    text += `# HELP ${name} ${escape(first.help)}\n# TYPE ${name} ${first.type}\n${lines.join('')}`;
  }
  return text;
}

function labels(of: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(of).map(([name, value]) => `${name}="${escape(value).replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function number(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
