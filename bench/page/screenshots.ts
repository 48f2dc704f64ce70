// `npm run screenshots -- FOLDER`: the page in each of its states, light and dark, of made-up networks.
import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { buildDashboard } from '../../src/cli/page-build.ts';
import { Random } from '../../sim/random.ts';
import { startBrowser } from './browser.ts';
import { FAKE_TOKEN, FakeNetwork } from './fake-network.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 780 };
/** In the middle of a message's way, as it is shown. */
const MIDWAY_MS = 1_150;
const SHOWN_MS = 3_200;

interface Scenario {
  readonly name: string;
  readonly nodes: number;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly isFullPage?: boolean;
  readonly fanout?: number;
  /** Before the page is opened. */
  readonly before?: (network: FakeNetwork) => void;
  readonly after?: (network: FakeNetwork, page: Page) => Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'loading', nodes: 12, before: (network) => network.setSilent(true) },
  { name: 'error', nodes: 12, before: (network) => network.setDown(true), after: () => sleep(500) },
  { name: 'empty', nodes: 4, after: () => sleep(500) },
  { name: 'live', nodes: 48, fanout: 4, before: mixedStates, after: (network) => history(network) },
  { name: 'live-full', nodes: 12, fanout: 4, isFullPage: true, after: (network) => history(network) },
  { name: 'spreading', nodes: 48, fanout: 4, after: (network) => midway(network, 17) },
  { name: 'spreading-1000', nodes: 1_000, after: (network) => midway(network, 321) },
  { name: 'inspector', nodes: 32, fanout: 4, before: mixedStates, after: inspected },
  { name: 'kept', nodes: 256, fanout: 16, after: kept },
  { name: 'disconnected', nodes: 24, fanout: 4, after: disconnected },
  { name: 'phone', nodes: 24, fanout: 4, viewport: PHONE, isFullPage: true, after: (network) => history(network) },
];

function mixedStates(network: FakeNetwork): void {
  const states = [
    [9, 'suspect'],
    [14, 'probation'],
    [15, 'probation'],
    [21, 'ignored'],
    [26, 'left'],
  ] as const;
  for (const [guid, state] of states) network.setState(guid, state);
}

async function history(network: FakeNetwork): Promise<void> {
  for (let count = 1; count <= 5; count++) {
    network.broadcast(count * 2, { event: { name: 'PRICE', args: { symbol: 'ACME', cents: 1_200 + count } } });
    await sleep(300);
  }
  await sleep(SHOWN_MS);
}

async function midway(network: FakeNetwork, from: number): Promise<void> {
  await sleep(500);
  network.broadcast(from);
  await sleep(MIDWAY_MS);
}

async function inspected(network: FakeNetwork, page: Page): Promise<void> {
  await history(network);
  await page.getByLabel('Admin token').fill(FAKE_TOKEN);
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.getByRole('slider').focus();
  for (let key = 0; key < 4; key++) await page.keyboard.press('ArrowRight');
  await page.getByText('Mempool').waitFor();
  network.setState(27, null);
  await sleep(4_500);
}

async function kept(network: FakeNetwork, page: Page): Promise<void> {
  await history(network);
  await page.locator('.messages button').first().click();
  await sleep(SHOWN_MS);
}

async function disconnected(network: FakeNetwork, page: Page): Promise<void> {
  await history(network);
  network.setDown(true);
  await page.getByText(/Disconnected/).waitFor();
  await sleep(3_000);
}

async function shoot(
  browser: Browser,
  scenario: Scenario,
  colorScheme: 'light' | 'dark',
  folder: string,
  page: string,
) {
  const { name, nodes, fanout, viewport = DESKTOP, isFullPage = false, before, after } = scenario;
  const random = new Random(5);
  const network = await FakeNetwork.start({ nodes, page, random: () => random.next(), ...(fanout && { fanout }) });
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: viewport === PHONE ? 2 : 1 });
  try {
    before?.(network);
    const tab = await context.newPage();
    await tab.goto(network.url);
    const isKnown = !['loading', 'error'].includes(name);
    if (isKnown) await tab.getByText('Live', { exact: true }).waitFor();
    await after?.(network, tab);
    const path = join(folder, `${name}-${colorScheme}.png`);
    await tab.screenshot({ path, fullPage: isFullPage, animations: 'allow' });
    console.log(path);
  } finally {
    await context.close();
    await network.close();
  }
}

async function main([given, ...only]: readonly string[]): Promise<void> {
  if (given === undefined) throw new Error('give a folder outside of the repository: npm run screenshots -- FOLDER');
  const folder = resolve(given);
  if (!relative(ROOT, folder).startsWith('..')) throw new Error(`${folder} is inside of the repository`);
  await mkdir(folder, { recursive: true });
  const page = await buildDashboard();
  const browser = await startBrowser();
  try {
    for (const scenario of SCENARIOS) {
      if (only.length > 0 && !only.includes(scenario.name)) continue;
      for (const scheme of ['light', 'dark'] as const) await shoot(browser, scenario, scheme, folder, page);
    }
  } finally {
    await browser.close();
  }
}

await main(process.argv.slice(2));
