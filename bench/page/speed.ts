// `npm run page-speed`: a thousand made-up nodes, ten broadcasts a second, and what the page does with them: processor time of script a frame,
// by the browser's own trace, with nothing chosen and with a node and a message chosen, and the bytes of the first load. Exit code 1 where any is
// more than promised.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import Table from 'cli-table3';
import type { CDPSession, Page } from 'playwright-core';
import { buildDashboard } from '../../src/cli/page-build.ts';
import { Random } from '../../sim/random.ts';
import { startBrowser } from './browser.ts';
import { FAKE_TOKEN, FakeNetwork } from './fake-network.ts';

const NODES = 1_000;
const BROADCASTS_PER_SECOND = 10;
const WARM_UP_MS = 3_000;
const MEASURED_MS = 15_000;
/** A frame at 60 Hz, and the share of frames whose script may take more: one that is late now and then nobody sees. */
const FRAME_MS = 16;
const LATE_SHARE_MAX = 0.01;
export const FIRST_LOAD_BYTES_MAX = 100_000;

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Of it, what the thread had the processor: other programs of the machine are left out. */
  readonly tdur?: number;
}

/** What runs script; each counts with what it calls, and none of them is inside of another. */
const SCRIPT = new Set([
  'FunctionCall',
  'FireAnimationFrame',
  'TimerFire',
  'EventDispatch',
  'RunMicrotasks',
  'EvaluateScript',
]);
const FRAME = 'FireAnimationFrame';

/** Bytes of all that the page loads at first, compressed as the platform does: what is in the folder itself, below it are other pages. */
export async function firstLoadBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== '_headers');
  const sizes = await Promise.all(files.map(async ({ name }) => gzipSync(await readFile(join(folder, name))).length));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Processor time of script in each frame, milliseconds, ascending: all from the beginning of one to the beginning of the next. */
function scriptPerFrame(events: readonly TraceEvent[]): number[] {
  const thread = events.find(({ name }) => name === FRAME)?.tid;
  const scripts = events
    .filter(({ name, ph, tid }) => ph === 'X' && tid === thread && SCRIPT.has(name))
    .sort((a, b) => a.ts - b.ts);
  const frames: number[] = [];
  let end = 0;
  for (const { name, ts, dur = 0, tdur = dur } of scripts) {
    if (ts < end) continue;
    end = ts + dur;
    if (name === FRAME || frames.length === 0) frames.push(0);
    frames[frames.length - 1] = (frames.at(-1) ?? 0) + tdur / 1_000;
  }
  return frames.slice(1).sort((a, b) => a - b);
}

async function trace(session: CDPSession, ms: number): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', categories: 'devtools.timeline' });
  await sleep(ms);
  await session.send('Tracing.end');
  await complete;
  return events;
}

/** A person does this before it is measured. */
interface Scene {
  readonly name: string;
  readonly prepare: (tab: Page) => Promise<void>;
}

const SCENES: readonly Scene[] = [
  { name: 'nothing', prepare: () => Promise.resolve() },
  { name: 'a node and a message', prepare: choose },
];

/** The node shows all its peers and what it logs; the message is drawn with its tree. */
async function choose(tab: Page): Promise<void> {
  await tab.getByLabel('Admin token').fill(FAKE_TOKEN);
  await tab.getByRole('button', { name: 'Use it' }).click();
  await tab.getByRole('slider').press('Home');
  await tab.locator('.lines li').first().waitFor();
  // The table goes on while a person reads it: the button that is there now.
  await tab
    .locator('.messages button')
    .last()
    .evaluate((button: { click(): void }) => button.click());
  await tab.getByText('back to the latest').waitFor();
}

async function measure(page: string, { prepare }: Scene): Promise<number[]> {
  const random = new Random(1);
  const network = await FakeNetwork.start({ nodes: NODES, page, random: () => random.next() });
  const browser = await startBrowser();
  try {
    const tab = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await tab.goto(network.url);
    await tab.getByText('Live', { exact: true }).waitFor();
    const sending = setInterval(() => network.broadcast(random.between(1, NODES)), 1_000 / BROADCASTS_PER_SECOND);
    await tab.locator('.messages button').first().waitFor();
    await prepare(tab);
    await sleep(WARM_UP_MS);
    const events = await trace(await browser.newBrowserCDPSession(), MEASURED_MS);
    clearInterval(sending);
    return scriptPerFrame(events);
  } finally {
    await browser.close();
    await network.close();
  }
}

/** What is told of the frames of a scene: `frames`, milliseconds each, ascending. Where there was none, nothing is kept. */
export function summaryOfFrames(frames: readonly number[]) {
  const at = (share: number) => frames[Math.min(frames.length - 1, Math.floor(frames.length * share))] ?? NaN;
  const late = frames.filter((ms) => ms > FRAME_MS).length / frames.length;
  return { count: frames.length, median: at(0.5), p95: at(0.95), max: at(1), late, isKept: late <= LATE_SHARE_MAX };
}

async function main(): Promise<void> {
  const page = await buildDashboard();
  const bytes = await firstLoadBytes(page);
  const times = ['script a frame, ms: median', 'p95', 'max', `over ${FRAME_MS} ms`];
  const table = new Table({
    head: ['nodes', 'broadcasts a second', 'chosen', 'frames', ...times, 'first load, bytes'],
  });
  for (const scene of SCENES) {
    const { count, median, p95, max, late, isKept } = summaryOfFrames(await measure(page, scene));
    const shown = [...[median, p95, max].map((ms) => ms.toFixed(1)), `${(late * 100).toFixed(2)} %`];
    table.push([NODES, BROADCASTS_PER_SECOND, scene.name, count, ...shown, bytes]);
    if (!isKept) process.exitCode = 1;
  }
  console.log(table.toString());
  if (bytes > FIRST_LOAD_BYTES_MAX) process.exitCode = 1;
}

if (import.meta.main) await main();
