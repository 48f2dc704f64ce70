// What `pychain up` shows: a live screen on a terminal, plain lines elsewhere, or one JSON object per line.
import { relative, resolve } from 'node:path';
import { createLogUpdate } from 'log-update';
import colors from 'picocolors';
import { hasJoined, type NetworkView } from './network-view.ts';
import { DEFAULT_DIR } from './settings.ts';
import { networkTable } from './table.ts';
import { shellWord } from './text.ts';
import { IS_PACKED, PROJECT_DIR } from './wrangler-config.ts';

/** What was started, for the lines that tell of it. */
export interface UpFacts {
  /** Of the deployments, the one with the boot node first. */
  readonly urls: readonly string[];
  readonly network: string;
  /** Of each deployment. */
  readonly nodes: number;
  readonly storageDir: string;
  readonly logDir: string;
  readonly adminTokenFile: string;
}

export interface Reporter {
  /** Pause between two rounds of questions once the network is ready; null where nobody looks, so that nodes may sleep. */
  readonly pollMs: number | null;
  starting(facts: UpFacts): void;
  /** Called again and again while nodes join. */
  joining(view: NetworkView): void;
  ready(view: NetworkView, seconds: number): void;
  /** Called after each round once the network is ready. */
  live(view: NetworkView): void;
  /** Something that a person should know, while everything runs on. */
  warning(line: string): void;
  stopping(): void;
  stopped(): void;
}

/** The reporter for where the output goes. */
export function createReporter(json: boolean): Reporter {
  if (json) return new JsonReporter();
  return process.stdout.isTTY ? new ScreenReporter() : new PlainReporter();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One object per line, for scripts. */
class JsonReporter implements Reporter {
  readonly pollMs = null;
  #facts: UpFacts | null = null;
  readonly #joined = new Set<string>();

  starting(facts: UpFacts): void {
    this.#facts = facts;
    this.#event('starting', { ...where(facts), nodes: facts.nodes * facts.urls.length, network: facts.network });
  }

  joining(view: NetworkView): void {
    for (const { deployment, slot, status } of view.joined) {
      const name = `${deployment}/${slot}`;
      if (this.#joined.has(name)) continue;
      this.#joined.add(name);
      const several = (this.#facts?.urls.length ?? 1) > 1;
      this.#event('joined', { ...(several && { deployment }), node: slot, guid: status?.guid });
    }
  }

  ready(view: NetworkView, seconds: number): void {
    this.#event('ready', {
      ...(this.#facts && where(this.#facts)),
      nodes: view.rows.length,
      seconds: Math.round(seconds * 1000) / 1000,
      admin_token_file: this.#facts?.adminTokenFile,
      log_dir: this.#facts?.logDir,
      storage_dir: this.#facts?.storageDir,
    });
  }

  live(): void {}

  warning(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  stopping(): void {}

  stopped(): void {
    this.#event('stopped', {});
  }

  #event(event: string, fields: object): void {
    say(JSON.stringify({ event, time: Date.now() / 1000, ...fields }));
  }
}

/** Seconds between two progress lines, so that 256 nodes do not make 256 lines. */
const PROGRESS_MS = 1_000;

/** Lines for logs and pipes. */
class PlainReporter implements Reporter {
  readonly pollMs = 60_000;
  #facts: UpFacts | null = null;
  #lastLine = '';
  #lastAt = 0;

  starting(facts: UpFacts): void {
    this.#facts = facts;
    say(`starting ${sizeOf(facts)} of network ${facts.network} at ${facts.urls.join(', ')}`);
  }

  joining(view: NetworkView): void {
    if (Date.now() - this.#lastAt < PROGRESS_MS) return;
    this.#once(`joined ${view.joinedCount} of ${view.rows.length}`);
  }

  ready(view: NetworkView, seconds: number): void {
    if (this.#facts === null) return;
    for (const line of readyLines(this.#facts, view, seconds)) say(line);
  }

  live(view: NetworkView): void {
    const messages = view.rows.map((row) => row.status?.messages ?? 0);
    this.#once(
      `joined ${view.joined.length} of ${view.rows.length}, messages ${Math.min(...messages)} to ${Math.max(...messages)}`,
    );
  }

  warning(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  stopping(): void {
    say('stopping');
  }

  stopped(): void {
    say('stopped; the next "pychain up" resumes');
  }

  #once(line: string): void {
    if (line === this.#lastLine) return;
    this.#lastLine = line;
    this.#lastAt = Date.now();
    say(line);
  }
}

const BAR_CHARS = 30;
/** With one deployment; each other one has a line more. */
const READY_LINES = 6;
const ROWS_FOR_BOTH = 16;

/** A progress bar, then a table that is redrawn in place. */
class ScreenReporter implements Reporter {
  readonly pollMs = 2_000;
  readonly #update = createLogUpdate(process.stdout);
  #facts: UpFacts | null = null;
  #frame = '';
  readonly #startedAt = performance.now();

  starting(facts: UpFacts): void {
    this.#facts = facts;
    this.#draw(colors.dim(`starting workerd for ${sizeOf(facts)} at ${facts.urls.join(', ')}`));
  }

  joining(view: NetworkView): void {
    const all = view.rows.length;
    const joined = view.joinedCount;
    const full = Math.floor((joined / all) * BAR_CHARS);
    const bar = colors.green('━'.repeat(full)) + colors.dim('━'.repeat(BAR_CHARS - full));
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    const what = joined < all ? 'joined' : 'joined, learning of each other';
    this.#draw(`${bar} ${joined} of ${all} ${what} ${colors.dim(`${seconds} s`)}`);
  }

  ready(view: NetworkView, seconds: number): void {
    if (this.#facts === null) return;
    this.#print(readyLines(this.#facts, view, seconds).join('\n') + '\n');
    this.live(view);
  }

  live(view: NetworkView): void {
    const hint = colors.dim('Ctrl-C stops the network; its state stays');
    // Taller than the terminal, the frame could not be erased: two lines are the hint's, one is the cursor's. What was
    // said when the network got ready stays in view where there is room for both.
    const rows = process.stdout.rows || 24;
    const height = Math.max(
      3,
      rows - 3 - (rows >= ROWS_FOR_BOTH ? READY_LINES + (this.#facts?.urls.length ?? 1) - 1 : 0),
    );
    this.#draw([...networkTable(view.rows, Date.now() / 1000, height), '', hint].join('\n'));
  }

  warning(line: string): void {
    this.#print(colors.yellow(line));
  }

  stopping(): void {
    this.#draw(
      `${this.#frame.split('\n').slice(0, -1).join('\n')}\n${colors.dim('stopping … Ctrl-C again does not wait')}`,
    );
  }

  stopped(): void {
    this.#update.done();
    say('stopped; the next "pychain up" resumes');
  }

  #draw(frame: string): void {
    this.#frame = frame;
    this.#update(frame);
  }

  #print(text: string): void {
    this.#update.clear();
    say(text);
    this.#draw(this.#frame);
  }
}

function readyLines(facts: UpFacts, view: NetworkView, seconds: number): string[] {
  const row = (name: string, value: string) => `  ${colors.dim(name.padEnd(12))} ${value}`;
  const mark = colors.green('ready');
  return [
    `${mark}  ${view.rows.filter(hasJoined).length} of ${count(view.rows.length)} joined in ${seconds.toFixed(1)} s`,
    ...facts.urls.map((url, index) =>
      row(index === 0 ? 'URL' : `URL of ${index + 1}`, index === 0 ? `${url}  (in a browser: the network, live)` : url),
    ),
    row('admin token', `in ${shortPath(facts.adminTokenFile)}`),
    row(
      'logs',
      `${shortPath(facts.logDir)}/${facts.urls.length > 1 ? '[deployment-<N>/]' : ''}<node>/{api,network_sync,mempool}.log`,
    ),
    row('try', tryLine(facts.storageDir)),
  ];
}

/**
 * What finds this network when it is pasted. In a checkout not `npx pychain`: outside of it that would offer to install a package of that
 * name, which is not ours.
 */
export function tryLine(storageDir: string, cwd: string = process.cwd(), isPacked: boolean = IS_PACKED): string {
  // npm runs commands in the project's folder, wherever in it they are given; elsewhere it has to be told.
  const outside = relative(PROJECT_DIR, cwd).startsWith('..');
  const prefix = outside ? `--prefix ${shellWord(PROJECT_DIR)} ` : '';
  const command = isPacked ? 'npx pychain' : `npm run -s ${prefix}pychain --`;
  const isFound = storageDir === resolve(isPacked ? cwd : PROJECT_DIR, DEFAULT_DIR);
  const folder = isFound ? '' : `STORAGE_DIR=${shellWord(storageDir)} `;
  return `${folder}${command} broadcast '{"hello": "world"}' --wait`;
}

/** For scripts: the first deployment, and all where there are several. */
function where({ urls }: UpFacts) {
  return { url: urls[0], ...(urls.length > 1 && { urls }) };
}

function sizeOf({ nodes, urls }: UpFacts): string {
  return urls.length === 1 ? count(nodes) : `${urls.length} deployments of ${count(nodes)}`;
}

function count(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}

/** Relative where that is shorter and stays below the working folder. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') ? path : short;
}
