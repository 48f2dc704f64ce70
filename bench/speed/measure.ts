// What is measured of each contender: time to all for messages that go alone, and the highest rate that it keeps up with.
import { TooLarge, type Contender, type Sent } from './contender.ts';
import { median, quantile } from './stats.ts';

/** Time that a message may take before it counts as lost, milliseconds. */
const LOST_MS = 60_000;

/** What a rate must hold to count: p95 of the time to all, milliseconds (issue 7), and nothing missing. */
export const P95_MS_MAX = 1_000;

export interface Alone {
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly missing: number;
}

/** Messages one at a time, from each contender in turn, so that a slow moment of the machine meets all. Null: it has none of this size. */
export async function measureAlone(
  contenders: readonly Contender[],
  messages: number,
  bytes: number,
): Promise<Map<string, Alone | null>> {
  const times = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  const missing = new Map(contenders.map(({ name }) => [name, 0]));
  const unable = new Set<Contender>();
  const settling = new Map<Contender, Sent[]>();
  const collect = async (contender: Contender, sent: readonly Sent[]) => {
    const arrived = await contender.arrivals(sent, LOST_MS);
    times.get(contender.name)?.push(...arrived.times);
    missing.set(contender.name, (missing.get(contender.name) ?? 0) + arrived.missing);
  };
  const sendOne = async (contender: Contender, index: number) => {
    const sent = await contender.send(1 + (index % contender.nodes), bytes, index).catch((error: unknown) => {
      if (!(error instanceof TooLarge)) throw error;
      unable.add(contender);
      return null;
    });
    if (!sent) return;
    if (!contender.settle) return await collect(contender, [sent]);
    await contender.settle();
    settling.set(contender, [...(settling.get(contender) ?? []), sent]);
  };
  // The first ones warm the code up: they count for none.
  const warmUp = Math.min(5, messages);
  for (let index = 0; index < warmUp + messages; index++) {
    for (const contender of contenders) if (!unable.has(contender)) await sendOne(contender, index);
  }
  for (const [contender, sent] of settling) await collect(contender, sent);
  return new Map(
    contenders.map((contender) => {
      const { name } = contender;
      if (unable.has(contender)) return [name, null];
      const counted = (times.get(name) ?? []).slice(-messages);
      return [name, { medianMs: median(counted), p95Ms: quantile(counted, 0.95), missing: missing.get(name) ?? 0 }];
    }),
  );
}

export interface AtRate {
  /** Messages a second, all nodes together. */
  readonly rate: number;
  readonly sent: number;
  readonly p95Ms: number;
  readonly missing: number;
  /** Messages that no node took. */
  readonly refused: number;
  /** Sent a second, as it was: the sender itself may not keep up. */
  readonly achieved: number;
  /** CPU of the network, milliseconds a delivery, what sends and asks not included but for its requests; null where it can't be told. */
  readonly cpuMsPerDelivery: number | null;
  readonly holds: boolean;
}

/** What the sender goes by, milliseconds. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<unknown>;
}

const REAL: Clock = { now: () => performance.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) };

/**
 * All nodes publish in turn, at a rate that does not wait for anything, for so many seconds: so many messages together, the next ones at the next
 * node. The rate is one of messages, however many go together.
 */
export async function measureRate(
  contender: Contender,
  rate: number,
  { seconds, bytes, together = 1, clock = REAL }: Pick<Search, 'seconds' | 'bytes' | 'together' | 'clock'>,
): Promise<AtRate> {
  // None goes with fewer, so that a rate is one of what it says.
  const count = Math.max(1, Math.round((rate * seconds) / together)) * together;
  const before = contender.usage();
  const began = clock.now();
  const sending: Promise<Sent[]>[] = [];
  for (let index = 0; index < count; index += together) {
    const wait = began + (index * 1000) / rate - clock.now();
    if (wait > 1) await clock.sleep(wait);
    const indexes = Array.from({ length: together }, (_, place) => index + place);
    sending.push(publish(contender, 1 + ((index / together) % contender.nodes), bytes, indexes));
  }
  // Up to the moment at which the next would go.
  const achieved = count / Math.max((clock.now() - began) / 1000, count / rate);
  const sent = (await Promise.all(sending)).flat();
  const { times, missing, usage } = await contender.arrivals(sent, LOST_MS);
  const refused = count - sent.length;
  const p95Ms = quantile(times, 0.95);
  const holds = refused === 0 && missing === 0 && p95Ms < P95_MS_MAX && achieved > 0.9 * rate;
  const deliveries = sent.length * (contender.nodes - 1);
  const cpuMsPerDelivery = before && usage ? ((usage.cpuSeconds - before.cpuSeconds) * 1000) / deliveries : null;
  return { rate, sent: sent.length, p95Ms, missing, refused, achieved, cpuMsPerDelivery, holds };
}

/** Has one node publish several at once. Gives those that it took. */
async function publish(contender: Contender, node: number, bytes: number, indexes: readonly number[]): Promise<Sent[]> {
  if (indexes.length > 1 && contender.sendTogether)
    return await contender.sendTogether(node, bytes, indexes).catch(() => []);
  const sent = await Promise.all(indexes.map((index) => contender.send(node, bytes, index).catch(() => null)));
  return sent.filter((one) => one !== null);
}

export interface Search {
  /** The first rate, messages a second. */
  readonly first: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Messages that a node publishes at once, with one request where there is such a request. Default 1. */
  readonly together?: number;
  readonly tell: (tried: AtRate) => void;
  /** Called after each rate. */
  readonly between?: (tried: AtRate) => Promise<void>;
  readonly clock?: Clock;
}

/**
 * Doubles the rate from `first` until it does not hold, and then halves the gap twice. Where the first does not hold, it is halved until one
 * does, and doubled again from there: what has just started is cold, and may hold now what it did not then. No rate is tried a third time.
 * Gives all that was tried.
 */
export async function findRate(contender: Contender, search: Search): Promise<AtRate[]> {
  const { first, tell, between: afterEach } = search;
  const tried: AtRate[] = [];
  const attempt = async (rate: number): Promise<boolean> => {
    const result = await measureRate(contender, rate, search);
    tried.push(result);
    tell(result);
    await afterEach?.(result);
    return result.holds;
  };
  let low = first;
  while (!(await attempt(low))) {
    low /= 2;
    if (low < 1) return tried;
  }
  let high = low * 2;
  while (await attempt(high)) [low, high] = [high, high * 2];
  for (let step = 0; step < 2; step++) {
    const middle = between(low, high);
    if (middle === low || middle === high) break;
    if (await attempt(middle)) low = middle;
    else high = middle;
  }
  return tried;
}

/** The rate in the middle: a whole one, or a half where these are far apart. */
function between(low: number, high: number): number {
  const parts = high > 8 ? 1 : 2;
  return Math.round(((low + high) / 2) * parts) / parts;
}

/** The highest rate that held; 0: none did. */
export function highest(tried: readonly AtRate[]): number {
  return Math.max(0, ...tried.filter(({ holds }) => holds).map(({ rate }) => rate));
}
