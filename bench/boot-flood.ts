// The boot node is flooded with joins that lead nowhere, cheap ones and dear ones: does it still let an honest newcomer in, and what do the others
// cost it? An end-to-end test runs it, `npm run flood` prints it.
import { OutsideHost } from './outside-peer.ts';
import { eventually, getJson, startMeasured, type Measured } from './network.ts';

export interface BootFloodReport {
  readonly requests: number;
  readonly seconds: number;
  /** Answers by kind and HTTP status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Most call-backs that were under way at once. */
  readonly callBacksMax: number;
  readonly newcomerSeconds: number;
  /** GUIDs beyond those of the network and the newcomer. */
  readonly guidsLost: number;
  readonly trouble: readonly string[];
}

const NODES = 3;
const POW_BITS = 8;

/** Floods with `requests` joins of each kind. */
export async function measureBootFlood(requests: number, parallel: number): Promise<BootFloodReport> {
  const network = await startMeasured(NODES, {
    LOCAL_PEERS: 'on',
    POW_BITS: String(POW_BITS),
    GROUP_MEMBERS: '100000',
    NETWORK_SYNC_INTERVAL: '3600',
  });
  const host = await OutsideHost.open();
  try {
    const answers: Record<string, number> = {};
    const url = `${network.url}/api/v1/network/join`;
    const kinds = await floodKinds(network, host, url);
    const over = new AbortController();
    let callBacksMax = 0;
    const watch = (async () => {
      while (!over.signal.aborted) {
        callBacksMax = Math.max(callBacksMax, await metric(network, 'pychain_call_backs'));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const began = performance.now();
    const queue = Array.from({ length: requests }, () => Object.entries(kinds))
      .flat()
      .values();
    const worker = async () => {
      for (const [kind, send] of queue) {
        const { status } = await send();
        answers[`${kind} ${status}`] = (answers[`${kind} ${status}`] ?? 0) + 1;
      }
    };
    const flood = Promise.all(Array.from({ length: parallel }, worker));
    const newcomer = await host.peer('pychain');
    const work = await newcomer.work(network.url);
    await eventually('an honest newcomer is let in', async () => {
      return (await newcomer.join(network.url, {}, work)).status === 200;
    });
    const newcomerSeconds = (performance.now() - began) / 1000;
    await flood;
    const seconds = (performance.now() - began) / 1000;
    over.abort();
    await watch;
    const { max_guid: maxGuid } = (await getJson(`${network.url}/api/v1/status`)) as { max_guid: number };
    const total = requests * Object.keys(kinds).length;
    const guidsLost = maxGuid - NODES - 1;
    return { requests: total, seconds, answers, callBacksMax, newcomerSeconds, guidsLost, trouble: network.trouble };
  } finally {
    await network.dispose();
    await host.close();
  }
}

type Send = () => Promise<{ readonly status: number }>;

/** Joins that lead nowhere, the dearest last: work is done, and the address hangs. */
async function floodKinds(network: Measured, host: OutsideHost, url: string): Promise<Record<string, Send>> {
  const stranger = await host.peer('pychain');
  const hanging = await host.peer('pychain');
  hanging.bend = () => 'hang';
  const work = await hanging.work(network.url);
  const unsigned = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"public_key":"x"}' };
  const junk = {
    'signature': 'sig1=:AAAA:',
    'signature-input': 'sig1=("@method");created=1;keyid="x"',
    'content-digest': 'sha-256=:AAAA:',
  };
  const noChallenge = { challenge: `9999999999.0.${'0'.repeat(32)}.${'0'.repeat(32)}`, solution: '0' };
  return {
    'unsigned': () => fetch(url, unsigned),
    'junk signature': () => fetch(url, { ...unsigned, headers: { ...unsigned.headers, ...junk } }),
    'made-up challenge': () => stranger.join(network.url, {}, noChallenge),
    'no work': () => stranger.join(network.url, { challenge: undefined, solution: undefined }, noChallenge),
    'hanging address': () => hanging.join(network.url, {}, work),
  };
}

async function metric(network: Measured, name: string): Promise<number> {
  const text = await (await fetch(`${network.url}/api/v1/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}
