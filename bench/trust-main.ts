// `npm run trust [-- --nodes 16 --messages 200]`: what trust costs. Microseconds of each cryptographic step, as ratios to one SHA-256 of a kilobyte too, and
// how many signatures a delivery takes: among hosted nodes, and with a peer outside.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { freshNonce, signRequest, verifyRequest } from '../src/crypto/http-signature.ts';
import { generateKey, openSigner, signText, verifyText } from '../src/crypto/keys.ts';
import { hashOf } from '../src/protocol/canonical.ts';
import { OutsideHost } from './outside-peer.ts';
import { broadcast, eventually, inParallel, startMeasured, totals } from './network.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '16' }, messages: { type: 'string', default: '200' } },
});
const ROUNDS = 2_000;
const KILOBYTE = 'x'.repeat(1_024);

const signer = openSigner(await generateKey());
const signature = await signText(signer, KILOBYTE);
const url = 'https://n1.example.net/n/1/api/v1/deliveries';
const certificate = { issuedAt: 1_000, expiresAt: 2_000, signature };
const outgoing = { method: 'POST', url, body: KILOBYTE } as const;
const credential = { guid: 1, certificate };
const signed = await signRequest(outgoing, signer, credential, freshNonce(), Date.now());
const bytes = new TextEncoder().encode(KILOBYTE);

const steps: [string, () => unknown][] = [
  ['SHA-256 of 1 KiB (as message ids)', () => hashOf(KILOBYTE)],
  ['sign a text of 1 KiB', () => signText(signer, KILOBYTE)],
  ['check its signature', () => verifyText(signer.publicKey, signature, KILOBYTE)],
  ['sign a request of 1 KiB', () => signRequest(outgoing, signer, credential, freshNonce(), Date.now())],
  ['check a signed request', () => verifyRequest(signed, bytes, Date.now())],
];
const times: number[] = [];
for (const [, step] of steps) {
  for (let round = 0; round < ROUNDS / 10; round++) await step();
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) await step();
  times.push(((performance.now() - began) / ROUNDS) * 1_000);
}
const [hash = NaN] = times;
const costs = new Table({ head: ['step (Node.js WebCrypto)', 'µs', 'times a hash'], style: { head: [], border: [] } });
for (const [index, [name]] of steps.entries()) {
  const time = times[index] ?? NaN;
  costs.push([name, time.toFixed(1), (time / hash).toFixed(1)]);
}
process.stdout.write(`${costs.toString()}\n`);

const nodes = Number(values.nodes);
const messages = Number(values.messages);
const network = await startMeasured(nodes, { LOCAL_PEERS: 'on', POW_BITS: '4', NETWORK_SYNC_INTERVAL: '3600' });
const host = await OutsideHost.open();
try {
  const table = new Table({
    head: ['deliveries', 'signatures made', 'checked', 'per delivery'],
    style: { head: [], border: [] },
  });
  const inside = await count(async () => {
    const indices = Array.from({ length: messages }, (_, index) => index);
    await inParallel(indices, (index) => broadcast(network, 1 + (index % nodes), { index }));
    return messages * (nodes - 1);
  });
  table.push(['among hosted nodes', ...inside]);
  const peer = await host.peer('pychain');
  await peer.join(network.url);
  const incoming = await count(async () => {
    for (let sent = 0; sent < messages; sent += 20) {
      const batch = await Promise.all(Array.from({ length: 20 }, () => peer.message({ sent })));
      await peer.deliver(`${network.url}/n/1`, batch);
    }
    return messages * nodes;
  });
  table.push(['from a peer outside, 20 a request, to all hosted nodes', ...incoming]);
  process.stdout.write(`${table.toString()}\n`);
} finally {
  await network.dispose();
  await host.close();
}

/** Signatures that work took, in all nodes together, once its deliveries have arrived. */
async function count(work: () => Promise<number>): Promise<string[]> {
  const before = await totals(network);
  const deliveries = await work();
  const of = (sums: ReadonlyMap<string, number>, name: string) => sums.get(name) ?? 0;
  const arrived = 'pychain_deliveries_total{result="new"}';
  const after = await eventually('all have arrived', async () => {
    const now = await totals(network);
    return of(now, arrived) - of(before, arrived) >= deliveries && now;
  });
  const grown = (kind: string) =>
    of(after, `pychain_signatures_total{kind="${kind}"}`) - of(before, `pychain_signatures_total{kind="${kind}"}`);
  const [made, checked] = [grown('made'), grown('checked')];
  return [String(made), String(checked), ((made + checked) / deliveries).toFixed(3)];
}
