// `npm run sim:scale -- --nodes 100,1000,10000`: broadcasts in large networks, healthy and not. Prints a table; with `--svg` it draws
// docs/scale.svg and prints the table of docs/protocol.md. Exits with 1 where something does not hold.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { FANOUT_MAX, ROSTER_MEMBERS_MAX } from '../src/protocol/limits.ts';
import { scaleSvg } from './scale-plot.ts';
import { brokenRules, scaleMarkdown, scaleTable } from './scale-report.ts';
import { runScale, SCENARIOS, type Scenario, type ScaleResult } from './scale.ts';

/** Of more nodes only these are run unless others are asked for: the others take hours. */
const LARGE = 20_000;
const LARGE_SCENARIOS: readonly Scenario[] = ['healthy', 'dead'];
const PLOT = new URL('../docs/scale.svg', import.meta.url);

const HELP = `npm run sim:scale -- [options]
  --nodes N,N,…        sizes (default 100,1000,10000), of 2 to ${ROSTER_MEMBERS_MAX} nodes
  --scenarios S,S,…    of ${SCENARIOS.join(', ')} (default: all; of more than ${LARGE} nodes ${LARGE_SCENARIOS.join()})
  --fanout F           FANOUT (default 64)
  --seed S             draws latencies, losses, halves, who is dead and who sends (default 1)
  --json               the results as JSON on stdout
  --svg                draw docs/scale.svg and print Markdown
10,000 nodes take 2 GB of memory, 100,000 up to 8.`;

function whole(text: string, name: string, low: number, high: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= low && value <= high) return value;
  throw new Error(`--${name} must be a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: '100,1000,10000' },
      scenarios: { type: 'string' },
      fanout: { type: 'string', default: '64' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      svg: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const scenarios = values.scenarios?.split(',').map((name) => {
    const scenario = SCENARIOS.find((known) => known === name);
    if (!scenario) throw new Error(`--scenarios must be of ${SCENARIOS.join(', ')}, not ${JSON.stringify(name)}`);
    return scenario;
  });
  return {
    ...values,
    scenarios,
    sizes: values.nodes.split(',').map((text) => whole(text, 'nodes', 2, ROSTER_MEMBERS_MAX)),
    fanout: whole(values.fanout, 'fanout', 2, FANOUT_MAX),
    seed: whole(values.seed, 'seed', 0, 999_999_999),
  };
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function run({ sizes, scenarios, fanout, seed, json, svg }: ReturnType<typeof readOptions>): boolean {
  const results: ScaleResult[] = [];
  for (const nodes of sizes) {
    const wanted = scenarios ?? (nodes > LARGE ? LARGE_SCENARIOS : SCENARIOS);
    for (const scenario of wanted) results.push(runScale({ nodes, scenario, fanout, seed, progress }));
  }
  progress('');
  if (svg) writeFileSync(PLOT, scaleSvg(results));
  if (json) console.log(JSON.stringify(results, null, 2));
  else console.log(svg ? scaleMarkdown(results) : scaleTable(results));
  const broken = results.flatMap(brokenRules);
  for (const rule of broken) process.stderr.write(`${rule}\n`);
  return broken.length === 0;
}

function optionsOrNull(): ReturnType<typeof readOptions> | null {
  try {
    return readOptions();
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n\n${HELP}\n`);
    return null;
  }
}

const options = optionsOrNull();
if (!options) process.exitCode = 2;
else if (options.help) console.log(HELP);
else if (!run(options)) process.exitCode = 1;
