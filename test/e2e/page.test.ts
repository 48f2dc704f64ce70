// The live page in a browser: on a real network, and on made-up ones in states that a real one is seldom in.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, BrowserContextOptions, Page, Response as Answer } from 'playwright-core';
import { broadcast, startMeasured, TOKEN, type Measured } from '../../bench/network.ts';
import { Peers } from '../../bench/peers.ts';
import { startBrowser } from '../../bench/page/browser.ts';
import { FAKE_TOKEN, FakeNetwork, type FakeOptions } from '../../bench/page/fake-network.ts';
import { FIRST_LOAD_BYTES_MAX, firstLoadBytes } from '../../bench/page/speed.ts';
import { buildDashboard } from '../../src/cli/page-build.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { isNoneOfOurs, watch } from '../support/watch-fetch.ts';

const NODES = 4;
const IN_TURN = { concurrent: false };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;
let folder: string;
beforeAll(async () => {
  folder = await buildDashboard();
  browser = await startBrowser();
});
afterAll(() => browser.close());

/** Opens a page. What a browser complains about, such as the content security policy, and questions to other hosts fail the test that closes it. */
async function open(url: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({
    colorScheme: 'light',
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  const complaints: string[] = [];
  const answers: Promise<void>[] = [];
  page.on('response', (answer) => answers.push(watchAnswer(answer)));
  const { host } = new URL(url);
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) complaints.push(`it asked ${request.url()}`);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Refusals, and lines that were cut, are what some tests are about.
    const isExpected = /Failed to load resource|WebSocket connection/.test(message.text());
    if (message.type() === 'error' && !isExpected) complaints.push(message.text());
  });
  await page.goto(url);
  const close = async () => {
    await context.close();
    await Promise.all(answers);
    expect(complaints).toEqual([]);
  };
  return { page, close };
}

/** What the page is answered is held against the document too, but for what it cut off or was not asked for in time: that has no text. */
async function watchAnswer(answer: Answer): Promise<void> {
  const [status, headers] = [answer.status(), answer.headers()];
  const isJson = headers['content-type']?.includes('json') ?? false;
  const text = isJson ? await answer.text().catch(() => null) : null;
  if (isJson && text === null) return;
  watch(answer.url(), { method: answer.request().method() }, new Response(text, { status, headers }));
}

async function giveToken(page: Page, token: string): Promise<void> {
  await page.getByLabel('Admin token').fill(token);
  await page.getByRole('button', { name: 'Use it' }).click();
}

async function send(page: Page, from: number, text: string): Promise<void> {
  await page.getByLabel('From node').fill(String(from));
  await page.getByLabel('Message, a JSON object').fill(text);
  await page.getByRole('button', { name: 'Broadcast', exact: true }).click();
}

/** Where each element is, by its middle, to some pixels. */
const MIDDLES = (elements: readonly { getBoundingClientRect(): { y: number; height: number } }[]) =>
  elements.map((element) => {
    const { y, height } = element.getBoundingClientRect();
    return Math.round((y + height / 2) / 8);
  });

/** Has a page note of what it writes on a canvas whether that is in full: not beyond the right edge. */
const NOTE_TEXT = `
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const width = this.measureText(text).width * { left: 1, start: 1, center: 0.5, right: 0, end: 0 }[this.textAlign];
    const end = this.getTransform().transformPoint({ x: x + width, y }).x;
    document.body.setAttribute('data-' + text.replace(/\\W/g, ''), end <= this.canvas.width ? 'full' : 'cut');
    return fillText.apply(this, arguments);
  };
`;

const row = (page: Page, id: string) => page.getByRole('row').filter({ hasText: id.slice(0, 8) });
const expectLive = (page: Page) => page.getByText('Live', { exact: true }).waitFor();

// Most of the time is spent waiting, so networks are looked at side by side; what one network is asked is asked in turn.
describe.concurrent.each(['on', 'off'])('a real network, its beacon %s', (beacon) => {
  let network: Measured;
  beforeAll(async () => {
    const vars = { NETWORK_SYNC_INTERVAL: '3600', BEACON: beacon, LOG_LEVEL: 'INFO' };
    network = await startMeasured(NODES, vars, { hasPage: true });
  });
  afterAll(() => network.dispose());

  it(
    'is on the page, which says where its news come from, refuses a wrong token, and shows a broadcast reach all',
    IN_TURN,
    async () => {
      const { page, close } = await open(network.url);
      await expectLive(page);
      await page.getByText(`alive${NODES}`).waitFor();
      expect(await page.getByText('no beacon').count()).toBe(beacon === 'off' ? 1 : 0);
      const { headers } = await fetch(network.url);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; .*frame-ancestors 'none'/);
      expect([headers.get('x-content-type-options'), headers.get('referrer-policy')]).toEqual([
        'nosniff',
        'no-referrer',
      ]);
      expect((await fetch(`${network.url}/n/1/api/v1/nowhere`)).headers.get('content-type')).toMatch(/problem\+json/);
      await giveToken(page, 'wrong');
      await page.getByText('The operator token is wrong.').waitFor();
      expect(await page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }])')).not.toContain(
        'wrong',
      );
      await giveToken(page, TOKEN);
      // As text, whatever it looks like.
      await send(page, 2, '{"shown": "<b onclick>on the page</b>"}');
      const sent = page.getByRole('row').filter({ hasText: '<b onclick>on the page</b>' });
      await sent.getByText('100 %').waitFor();
      expect(await sent.innerText()).toMatch(/\d+ ms|\d s/);
      await page.locator('.middle').getByText(`of ${NODES} members in`).waitFor();
      await close();
    },
  );

  it('goes on after its line was cut: what was sent meanwhile is shown', IN_TURN, async () => {
    const proxy = await startCuttingProxy(network.url);
    const { page, close } = await open(proxy.url);
    await expectLive(page);
    proxy.cut();
    const id = await broadcast(network, 3, { sent: 'meanwhile' });
    await row(page, id).getByText('100 %').waitFor();
    await expectLive(page);
    await close();
    await proxy.close();
  });

  it('shows a node leave, and come back, and what it logs of that', IN_TURN, async () => {
    const { page, close } = await open(network.url);
    await expectLive(page);
    await page.getByRole('slider').focus();
    for (let key = 0; key < 3; key++) await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { name: 'Node 3' }).waitFor();
    await page.getByText('Next sync').waitFor();
    await page.getByText('With the admin token, above, it shows what it logged last.').waitFor();
    await giveToken(page, TOKEN);
    await page.getByRole('button', { name: 'Have it leave' }).click();
    await page.getByRole('button', { name: 'Yes, leave the network' }).click();
    await page.getByText('left1').waitFor();
    await page.getByRole('button', { name: 'Have it come back' }).click();
    await page.getByText('left0').waitFor();
    const line = page.locator('.lines li').filter({ hasText: 'returned' });
    expect(await line.first().innerText()).toMatch(/^\d\d:\d\d:\d\d INFO returned guid=3/);
    await close();
  });
});

describe.concurrent('a real network with a node on a server of its own', () => {
  const vars = {
    LOCAL_PEERS: 'on',
    POW_BITS: '4',
    PROBATION: '0',
    // Suspected for one interval, which is long enough to be seen; deleted two or three intervals after the first failure.
    NETWORK_SYNC_INTERVAL: '3',
    NETWORK_SYNC_JITTER: '0',
    MAX_FAILURES: '2',
    GUID_TIMEOUT: '6',
  };
  let network: Measured;
  let peers: Peers;
  beforeAll(async () => {
    network = await startMeasured(2, vars, { hasPage: true });
    peers = await Peers.start(1, network.url, vars);
  });
  afterAll(async () => {
    await peers.stop();
    await network.dispose();
  });

  it('shows how it is killed: suspected, then ignored, then dead', async () => {
    const { page, close } = await open(`${network.url}/?every=1`);
    await expectLive(page);
    await page.getByText('alive3').waitFor();
    await peers.kill(0);
    for (const state of ['suspect1', 'ignored1', 'dead1']) await page.getByText(state).waitFor();
    await page.getByText('alive2').waitFor();
    await close();
  });

  it('is used by a page of another origin, with the client of the library', async () => {
    const elsewhere = createServer((_, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>Elsewhere'),
    );
    await once(elsewhere.listen(0, '127.0.0.1'), 'listening');
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
    await page.addScriptTag({ content: await clientScript() });
    const told = await page.evaluate(`(async () => {
      const url = ${JSON.stringify(`${network.url}/n/1`)};
      const client = new pychain.PychainClient({ url, token: '${TOKEN}' });
      const { cursor } = await client.messagePage();
      const { id } = await client.broadcast({ from: 'elsewhere' });
      const transports = [];
      for (const options of [{}, { WebSocket: null }]) {
        const reader = new pychain.PychainClient({ url, ...options });
        for await (const event of reader.stream({ cursor })) {
          if (event.type === 'connected') transports.push(event.transport);
          if (event.type === 'messages' && event.messages.some((message) => message.id === id)) break;
        }
      }
      const wrong = new pychain.PychainClient({ url, token: 'wrong' });
      const refusal = await wrong.broadcast({}).catch(({ status, title }) => [status, title]);
      return { guid: (await client.status()).guid, transports, refusal };
    })()`);
    expect(told).toEqual({
      guid: 1,
      transports: ['websocket', 'events'],
      refusal: [401, 'The operator token is missing or wrong'],
    });
    await page.close();
    elsewhere.close();
  });

  it('has its API described, from its own files alone', async () => {
    const { page, close } = await open(`${network.url}/api/v1/docs/?of=/n/2`);
    await page.locator('.opblock-summary-path', { hasText: '/messages/{id}' }).first().waitFor();
    expect(await page.locator('.opblock').count()).toBeGreaterThan(10);
    await close();
  });
});

describe.concurrent('a made-up network with a beacon', () => {
  const started: FakeNetwork[] = [];
  afterAll(() => Promise.all(started.map((network) => network.close())));
  const start = async (options: Partial<FakeOptions> = {}) => {
    const network = await FakeNetwork.start({ nodes: 24, fanout: 4, page: folder, ...options });
    started.push(network);
    isNoneOfOurs(network.url);
    return network;
  };

  it('tells receipts as they come, and after a cut those of meanwhile', async () => {
    const network = await start();
    const { page, close } = await open(network.url);
    await expectLive(page);
    // More frames than the beacon sends to a reader that does not acknowledge them.
    for (let count = 0; count < 3; count++) {
      const { id } = network.broadcast(5);
      await row(page, id).getByText('100 %').waitFor();
      expect(await row(page, id).innerText()).toContain('24 / 24');
    }
    network.cut();
    const second = network.broadcast(6);
    await row(page, second.id).getByText('100 %').waitFor();
    await close();
  });

  it('forgot what was between: the page reads the list, and the receipts of a message that is chosen', async () => {
    const network = await start();
    const { page, close } = await open(network.url);
    await expectLive(page);
    network.setDown(true);
    await page.getByText(/Disconnected|Connecting/).waitFor();
    const { id } = network.broadcast(7);
    // Told to nobody, then forgotten.
    await expect.poll(() => network.forget(id), { timeout: 5_000 }).toBe(true);
    network.setDown(false);
    await row(page, id).getByText('100 %').waitFor();
    await row(page, id).getByRole('button').click();
    await page.getByText('back to the latest').waitFor();
    await page.getByRole('img', { name: /100 % of the members have it/ }).waitFor();
    await close();
  });

  it('shows a node that is suspected, and one that is given up as dead', async () => {
    const network = await start();
    const { page, close } = await open(`${network.url}/?every=1`);
    await expectLive(page);
    await page.getByText('alive24').waitFor();
    network.setState(9, 'suspect');
    await page.getByText('suspect1').waitFor();
    network.setState(9, null);
    await page.getByText('dead1').waitFor();
    await page.getByText('alive23').waitFor();
    await close();
  });

  it('that does not answer is told of, until it does', async () => {
    const network = await start();
    network.setDown(true);
    const { page, close } = await open(`${network.url}/?every=300`);
    await page.getByRole('heading', { name: 'The network does not answer' }).waitFor();
    network.setDown(false);
    await page.getByRole('button', { name: 'Ask now' }).click();
    await page.getByText('alive24').waitFor();
    await expectLive(page);
    await close();
  });

  it('has no serious fault of accessibility, in light and in dark', async () => {
    const network = await start();
    for (const [guid, state] of Object.entries({ 3: 'suspect', 4: 'probation', 5: 'ignored', 6: 'left' })) {
      network.setState(Number(guid), state);
    }
    network.setDown(true);
    const { page, close } = await open(network.url);
    await page.getByRole('heading', { name: 'The network does not answer' }).waitFor();
    await page.evaluate(AXE);
    expect(await faultsOf(page)).toEqual([]);
    network.setDown(false);
    await expectLive(page);
    await giveToken(page, FAKE_TOKEN);
    await send(page, 2, '{"a": 1}');
    await page.getByText('Node 2 took it').waitFor();
    await page.getByRole('slider').press('End');
    await page.getByText('<b>not bold</b>').waitFor();
    expect(await faultsOf(page)).toEqual([]);
    network.setDown(true);
    await page.getByText(/Disconnected/).waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await close();
  });

  it('is not shown as one that loses messages while one follows the other', async () => {
    const network = await start();
    const { page, close } = await open(network.url);
    await expectLive(page);
    const sending = setInterval(() => network.broadcast(1), 100);
    // The first one is alone, and followed.
    await page.locator('.middle').getByText('of 24 members in').waitFor();
    const shown: string[] = [];
    for (let look = 0; look < 5; look++) {
      // Then the page has just drawn it, which has only begun.
      await row(page, network.broadcast(1).id).waitFor();
      const chart = await page.locator('.chart').getAttribute('aria-label');
      shown.push(`${await page.locator('.middle').innerText()} ${chart}`);
    }
    clearInterval(sending);
    for (const text of shown)
      expect(text).toMatch(/^100 %\s+of 24 members in \d+ ms After .* 100 % of the members have it$/);
    await close();
  });

  it('has the times of its chart written in full, also where the last one stands at the edge', async () => {
    // So fast that the axis ends at 10 ms.
    const network = await start({ nodes: 4, random: () => -0.3 });
    const { page, close } = await open(network.url);
    await page.addInitScript(NOTE_TEXT);
    await page.reload();
    await expectLive(page);
    network.broadcast(1);
    await page.locator('body[data-10ms]').waitFor();
    expect(await page.locator('body').getAttribute('data-10ms')).toBe('full');
    await close();
  });

  it('fits a small phone, and does not move where nobody wants that', async () => {
    const network = await start();
    const { page, close } = await open(network.url, { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' });
    await expectLive(page);
    network.broadcast(1);
    await page.locator('.middle').getByText('100 %').waitFor();
    // In one line: the name, and that it is live; the times of a message.
    const tops = (selector: string) => page.locator(selector).evaluateAll(MIDDLES);
    expect({
      width: await page.evaluate('document.documentElement.scrollWidth'),
      saysSlower: await page.getByText('drawn slower').count(),
      lines: [new Set(await tops('.top > *')).size, new Set(await tops('.times > *')).size],
    }).toEqual({ width: 360, saysSlower: 0, lines: [1, 1] });
    await close();
  });
});

it('loads little', async () => {
  expect(await firstLoadBytes(folder)).toBeLessThan(FIRST_LOAD_BYTES_MAX);
});

/** The client, as an application's own build makes it part of a page. */
async function clientScript(): Promise<string> {
  const entry = join(import.meta.dirname, '../../src/client/client.ts');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'pychain',
  });
  return outputFiles.map(({ text }) => text).join('');
}

/** What axe finds that is serious or worse, in both themes. It comes by the debugger: the page's own policy lets no other script in. */
async function faultsOf(page: Page): Promise<string[]> {
  const faults: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const found = (await page.evaluate(
      'axe.run({ resultTypes: ["violations"] }).then((all) => all.violations.map(({ id, impact, nodes }) => [impact, id, nodes[0].failureSummary]))',
    )) as [impact: string, id: string, place: string][];
    const grave = found.filter(([impact]) => impact === 'serious' || impact === 'critical');
    faults.push(...grave.map((fault) => `${colorScheme}: ${fault.join(': ')}`));
  }
  return faults;
}
