// Broadcasts of a made-up network: the tree of docs/protocol.md with delays that are drawn, and what a beacon would reckon of it.
import { randomBytes } from 'node:crypto';

export type FakeReceipt = readonly [guid: number, after: number, hops: number, from: number | null];

export interface FakeMessage {
  readonly id: string;
  readonly originator: number;
  /** Unix seconds. */
  readonly at: number;
  readonly members: number;
  readonly data: object;
  /** Ascending by time, those to come included. */
  readonly receipts: readonly FakeReceipt[];
}

/** One way of a hop, seconds. */
const HOP_MIN = 0.03;
const HOP_MORE = 0.09;

/** A broadcast to these members, of whom `unreached` never get it. */
export function spreadOver(
  members: readonly number[],
  originator: number,
  data: object,
  fanout: number,
  random: () => number,
  unreached: ReadonlySet<number>,
): FakeMessage {
  const receipts: FakeReceipt[] = [[originator, 0, 0, null]];
  const deliver = (group: readonly number[], from: number, after: number, hops: number): void => {
    const size = Math.ceil(group.length / fanout);
    for (let start = 0; start < group.length; start += size) {
      const part = group.slice(start, start + size);
      const [delegate, ...rest] = part;
      if (delegate === undefined) continue;
      const at = after + HOP_MIN + random() * HOP_MORE;
      receipts.push([delegate, at, hops, from]);
      deliver(rest, delegate, at, hops + 1);
    }
  };
  const others = members.filter((guid) => guid !== originator && !unreached.has(guid));
  // From the originator on, around the ring.
  const turned = [...others.filter((guid) => guid > originator), ...others.filter((guid) => guid < originator)];
  if (turned.length > 0) deliver(turned, originator, 0, 1);
  receipts.sort((a, b) => a[1] - b[1]);
  const id = randomBytes(32).toString('hex');
  return { id, originator, at: Date.now() / 1000, members: members.length, data, receipts };
}

/** What the beacon knows by now. */
export function summaryOf(message: FakeMessage) {
  const { id, originator, at, members } = message;
  const arrived = arrivedBy(message, Date.now() / 1000);
  const timeTo = (share: number) => arrived[Math.ceil(members * share) - 1]?.[1] ?? null;
  return {
    id,
    originator,
    broadcast_timestamp: at,
    expires_at: at + 600,
    members,
    received: arrived.length,
    missing: members - arrived.length,
    t50: timeTo(0.5),
    t95: timeTo(0.95),
    t100: timeTo(1),
    hops_max: Math.max(0, ...arrived.map(([, , hops]) => hops)),
    hops_mean: 1,
    duplicates: 0,
  };
}

export function arrivedBy({ receipts, at }: FakeMessage, now: number): readonly FakeReceipt[] {
  return receipts.filter(([, after]) => at + after <= now);
}
