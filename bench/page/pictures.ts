// `npm run pictures`: the pictures of README, of a real network: docs/page-*.png and docs/broadcast.svg.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { broadcast, eventually, getJson, startMeasured, TOKEN, type Measured } from '../network.ts';
import { broadcastSvg, type Reached } from './broadcast-svg.ts';
import { startBrowser } from './browser.ts';

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
/** With this fan-out the tree has branches. */
const NODES = 48;
const VARS = { FANOUT: '4', BEACON: 'on', LOG_LEVEL: 'INFO', NETWORK_SYNC_INTERVAL: '60', NETWORK_SYNC_JITTER: '30' };
const DRAWN_MS = 3_500;
const MIDWAY_PERCENT = 40;
const MESSAGES = [
  '{"hello":"world"}',
  '{"price":{"symbol":"ACME","cents":1203}}',
  '{"deploy":"api","version":"4.2.0"}',
];
const USED = 120;
const SENDERS = 4;
/** Odd, so that there is one in the middle. */
const BROADCASTS = 9;
const PICTURE_BYTES_MAX = 250_000;
const SVG_BYTES_MAX = 60_000;

/** Has a node broadcast; gives what the beacon heard of it once it has reached all. */
async function spread(network: Measured, count: number): Promise<Reached> {
  const data = { event: { name: 'PRICE', args: { cents: 1_200 + count } } };
  const id = await broadcast(network, ((count * 17) % NODES) + 1, data);
  return await eventually('a broadcast reaches all', async () => {
    const told = (await getJson(`${network.url}/api/v1/beacon/messages/${id}`)) as Partial<Reached>;
    return typeof told.t100 === 'number' && told.receipts?.length === NODES && (told as Reached);
  });
}

/** Figures of a network that has just joined would be those of joining. */
async function use(network: Measured): Promise<void> {
  const senders = Array.from({ length: SENDERS }, async (_, sender) => {
    for (let count = sender; count < USED; count += SENDERS) await spread(network, count);
  });
  await Promise.all(senders);
}

/** Sends some messages one by one; gives what the beacon heard of the one in the middle, by its t95. */
async function typicalBroadcast(network: Measured): Promise<Reached> {
  const all: Reached[] = [];
  for (let count = 0; count < BROADCASTS; count++) all.push(await spread(network, count));
  const middle = all.toSorted((a, b) => a.t95 - b.t95)[(BROADCASTS - 1) / 2];
  if (!middle) throw new Error('nothing was broadcast');
  return middle;
}

/** In the middle of the way of a message, as it is shown. */
async function spreading(page: Page, network: Measured): Promise<void> {
  await broadcast(network, 5, { hello: 'world' });
  const share = page.locator('.middle strong.spreading');
  await eventually('a message is shown on its way', async () => {
    const text = await share.textContent({ timeout: 20_000 });
    return Number.parseInt(text ?? '', 10) >= MIDWAY_PERCENT;
  });
}

async function atRest(page: Page): Promise<void> {
  await giveToken(page);
  for (const [index, text] of MESSAGES.entries()) await send(page, index * 11 + 7, text);
  await page.locator('.figures').getByText('1.000', { exact: true }).waitFor();
  // One that is chosen is drawn, and kept.
  await page.locator('.messages').getByRole('button').first().click();
  await shown(page);
}

async function inspected(page: Page): Promise<void> {
  await giveToken(page);
  await send(page, 30, MESSAGES[0] ?? '{}');
  await page.getByRole('slider').focus();
  for (let key = 0; key < 12; key++) await page.keyboard.press('ArrowRight');
  await page.locator('.lines li').first().waitFor();
  await shown(page);
  // To its end: the ring stays in sight.
  await page.evaluate("document.querySelector('.logs').scrollIntoView({ block: 'end' })");
}

async function giveToken(page: Page): Promise<void> {
  await page.getByLabel('Admin token').fill(TOKEN);
  await page.getByRole('button', { name: 'Use it' }).click();
}

async function send(page: Page, from: number, text: string): Promise<void> {
  await page.getByLabel('From node').fill(String(from));
  await page.getByLabel('Message, a JSON object').fill(text);
  await page.getByRole('button', { name: 'Broadcast', exact: true }).click();
  await page.getByRole('row').filter({ hasText: text }).first().getByText('100 %').waitFor();
}

/** Until what spread is drawn to its end, and its rings are gone. */
async function shown(page: Page): Promise<void> {
  await page.locator('.middle').getByText('100 %').waitFor();
  await sleep(DRAWN_MS);
}

const PICTURES = [
  { name: 'spreading', colorScheme: 'dark', width: 1_280, height: 800, prepare: spreading },
  { name: 'rest', colorScheme: 'light', width: 1_280, height: 1_420, prepare: atRest },
  { name: 'node', colorScheme: 'light', width: 1_280, height: 820, prepare: inspected },
] as const;

async function shoot(browser: Browser, network: Measured, picture: (typeof PICTURES)[number]): Promise<Uint8Array> {
  const { colorScheme, width, height, prepare } = picture;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  try {
    const page = await context.newPage();
    await page.goto(network.url);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText(`alive${NODES}`).waitFor();
    await prepare(page, network);
    return await page.screenshot({ animations: 'allow' });
  } finally {
    await context.close();
  }
}

function keep(name: string, contents: string | Uint8Array, bytesMax: number): void {
  const path = join(DOCS, name);
  writeFileSync(path, contents);
  const { size } = statSync(path);
  console.log(`docs/${name}  ${size} bytes`);
  if (size > bytesMax) throw new Error(`docs/${name} is larger than ${bytesMax} bytes`);
}

async function main(): Promise<void> {
  const network = await startMeasured(NODES, VARS, { hasPage: true });
  const browser = await startBrowser();
  try {
    await use(network);
    keep('broadcast.svg', broadcastSvg(await typicalBroadcast(network)), SVG_BYTES_MAX);
    for (const picture of PICTURES) {
      keep(`page-${picture.name}.png`, await shoot(browser, network, picture), PICTURE_BYTES_MAX);
    }
  } finally {
    await browser.close();
    await network.dispose();
  }
}

await main();
