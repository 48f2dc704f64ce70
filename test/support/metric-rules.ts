// What `promtool check metrics` says of names and help texts, as far as it concerns us (prometheus/client_golang promlint), and the text format.

interface Metric {
  help: string | null;
  type: string | null;
  samples: number;
}

/** Units that are not the base one, or are short for it. */
const UNITS =
  /_(milliseconds|microseconds|nanoseconds|minutes|hours|days|kilobytes|megabytes|gigabytes|kibibytes|mebibytes|bits|percent|ms|us|ns|s|sec|secs|kb|mb|gb)(_|$)/;

/** Faults of a page of metrics, each as one line; none in health. */
export function metricFaults(text: string): string[] {
  const metrics = new Map<string, Metric>();
  const faults: string[] = [];
  const of = (name: string) => {
    const known = metrics.get(name) ?? { help: null, type: null, samples: 0 };
    metrics.set(name, known);
    return known;
  };
  if (!text.endsWith('\n')) faults.push('the last line does not end');
  for (const line of text.split('\n').slice(0, -1)) {
    const [, kind, named = '', rest = ''] = /^# (HELP|TYPE) (\w+) (.*)$/.exec(line) ?? [];
    const [, name] = /^([a-zA-Z_]\w*)(?:\{(?:[a-z_]+="[^"\n]*",?)*\})? [-+\d.eInfNa]+$/.exec(line) ?? [];
    if (kind === 'HELP') of(named).help = rest;
    else if (kind === 'TYPE') of(named).type = rest;
    else if (name !== undefined) of(name).samples++;
    else faults.push(`no sample: ${line}`);
  }
  for (const [name, metric] of metrics) faults.push(...faultsOf(name, metric).map((fault) => `${name}: ${fault}`));
  return faults;
}

/** Names that a page of metrics has. */
export function metricNames(text: string): Set<string> {
  return new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name));
}

function faultsOf(name: string, { help, type, samples }: Metric): string[] {
  const isCounter = type === 'counter';
  return [
    ...(help === null || help.trim() === '' ? ['no help text'] : []),
    ...(type === null ? ['no type'] : []),
    ...(samples === 0 ? ['no sample'] : []),
    ...(isCounter && !name.endsWith('_total') ? ['a counter ends in _total'] : []),
    ...(!isCounter && name.endsWith('_total') ? ['only a counter ends in _total'] : []),
    ...(/_(count|sum|bucket)$/.test(name) ? ['only a histogram or a summary ends so'] : []),
    ...(/_(counter|gauge|histogram|summary)(_|$)/.test(name) ? ['its type is in its name'] : []),
    ...(/[A-Z:]/.test(name) ? ['not in snake_case'] : []),
    ...(UNITS.test(name.replace(/_total$/, '')) ? ['not in a base unit'] : []),
    ...(name.startsWith('pychain_') ? [] : ['not of ours']),
  ];
}
