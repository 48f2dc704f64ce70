// `npm run sim -- --seeds 200 --nodes 50`: runs seeds, or one with `--seed`, and prints what they did. `--mutations` puts known bugs in instead.
import { parseArgs } from 'node:util';
import { MUTATIONS } from './mutations.ts';
import { RECONCILES } from './plan.ts';
import { failureText, mutationTable, Summary, summaryTable, type Found } from './report.ts';
import { runSeed, type Outcome } from './run.ts';

const MUTATION_SEEDS = 200;
const MUTATION_NODES_MAX = 12;

const HELP = `npm run sim -- [options]
  --seed S          run this seed alone, or the first of several
  --seeds K         how many seeds (default 100, with --seed 1)
  --nodes N         exactly so many nodes (default: drawn)
  --nodes-max N     at most so many nodes (default 100)
  --reconciles      demand that network sync brings every message to every node
  --mutations       put each known bug in, and tell within how many seeds it is found
  --json            one JSON object on stdout
A failure prints its seed, the last events and the command that replays it.`;

function whole(text: string | undefined, name: string): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      'seed': { type: 'string' },
      'seeds': { type: 'string' },
      'nodes': { type: 'string' },
      'nodes-max': { type: 'string' },
      'reconciles': { type: 'boolean', default: RECONCILES },
      'mutations': { type: 'boolean', default: false },
      'json': { type: 'boolean', default: false },
      'help': { type: 'boolean', default: false },
    },
  });
  const seed = whole(values.seed, 'seed');
  const nodes = whole(values.nodes, 'nodes');
  if (nodes !== null && nodes < 1) throw new Error('--nodes must be 1 or more');
  return {
    ...values,
    first: seed ?? 1,
    seeds: whole(values.seeds, 'seeds') ?? (seed === null ? 100 : 1),
    nodes,
    nodesMax: Math.max(2, whole(values['nodes-max'], 'nodes-max') ?? 100),
  };
}

type Options = ReturnType<typeof readOptions>;

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function replayCommand({ nodes, nodesMax, reconciles }: Options, seed: number): string {
  const size = nodes === null ? `--nodes-max ${nodesMax}` : `--nodes ${nodes}`;
  return `npm run sim -- --seed ${seed} ${size}${reconciles ? ' --reconciles' : ''}`;
}

function runSeeds(options: Options): boolean {
  const { first, seeds, nodes, nodesMax, reconciles, json } = options;
  const summary = new Summary();
  const began = performance.now();
  for (let seed = first; seed < first + seeds; seed++) {
    progress(`seed ${seed} of ${first + seeds - 1}, ${summary.failed.length} failed`);
    const outcome: Outcome = runSeed(seed, { nodes, nodesMax, reconciles });
    summary.add(outcome);
    if (outcome.violation) {
      progress('');
      process.stderr.write(`${failureText(outcome, replayCommand(options, seed))}\n`);
    }
  }
  progress('');
  const seconds = (performance.now() - began) / 1000;
  console.log(json ? JSON.stringify({ ...summary.totals(), seconds }) : summaryTable(summary, seconds));
  return summary.failed.length === 0;
}

function runMutations({ json }: Options): boolean {
  const results: Found[] = [];
  for (const { name, hooks } of MUTATIONS) {
    let found: Found = { name, seeds: null, rule: null };
    for (let seed = 1; seed <= MUTATION_SEEDS && found.seeds === null; seed++) {
      progress(`${name}: seed ${seed}`);
      const { violation } = runSeed(seed, { nodesMax: MUTATION_NODES_MAX, hooks: hooks() });
      if (violation) found = { name, seeds: seed, rule: violation.rule };
    }
    results.push(found);
  }
  progress('');
  console.log(json ? JSON.stringify({ mutations: results }) : mutationTable(results));
  return results.every(({ seeds }) => seeds !== null);
}

function optionsOrNull(): Options | null {
  try {
    return readOptions();
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n\n${HELP}\n`);
    return null;
  }
}

const given = optionsOrNull();
if (!given) process.exitCode = 2;
else if (given.help) console.log(HELP);
else if (!(given.mutations ? runMutations(given) : runSeeds(given))) process.exitCode = 1;
