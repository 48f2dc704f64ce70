// Liveness: what must come true in bounded time once faults have stopped. Each rule says what is still missing, or nothing.
import type { Accepted } from './checks.ts';
import { isLive } from '../src/protocol/roster.ts';
import type { Guid, Millis } from '../src/protocol/types.ts';
import { inRange } from '../src/protocol/tree.ts';
import type { SimNode } from './node.ts';

/** How long a timer may be overdue in the end: a lost alarm is set again by cron, which may take ten minutes. */
const OVERDUE_MS_MAX = 60_000;

export interface Unmet {
  readonly rule: string;
  readonly detail: string;
}

/**
 * All know all: `liars` may be anything to anybody, and a newcomer whom the boot node told of one that had left before finds that out when
 * it first calls it.
 */
export function unmetLiveSet(
  nodes: readonly SimNode[],
  liars: ReadonlySet<Guid>,
  leftAtOf: (guid: Guid) => Millis | null,
): Unmet | null {
  const rule = 'the same live set everywhere';
  const guids = nodes.map((node) => node.guid);
  for (const node of nodes) {
    const { guid, driver, slot } = node;
    if (guid === null || !driver) return { rule, detail: `node ${slot} has not joined` };
    const live = new Set<Guid>([guid]);
    for (const peer of driver.state.roster.peers()) if (isLive(peer.state)) live.add(peer.guid);
    const missing = guids.filter((other) => other === null || !live.has(other));
    const odd = [...live].filter(
      (other) => !guids.includes(other) && !liars.has(other) && (leftAtOf(other) ?? Infinity) > node.joinedAt,
    );
    if (missing.length + odd.length > 0) {
      const states = missing.map((other) => `${other}:${driver.state.roster.get(other ?? 0)?.state ?? 'unknown'}`);
      return { rule, detail: `node ${slot} (GUID ${guid}) lacks ${states.join()}, has besides ${odd.join()}` };
    }
  }
  return null;
}

/**
 * Nothing is owed to anybody that is there: liars may be owed what they said they did not take, and who has left may try in vain to reach
 * others that have left or moved since.
 */
export function unmetOutbox(nodes: readonly SimNode[]): Unmet | null {
  const rule = 'outboxes are empty';
  const honest = nodes.flatMap(({ guid, hasLeft }) => (hasLeft ? [] : (guid ?? [])));
  for (const { driver, slot, hasLeft } of nodes) {
    if (!driver) continue;
    const { repairs, handover, mempool, settled, catchingUp } = driver.state;
    if (handover !== null) return { rule, detail: `node ${slot} has a handover under way` };
    if (catchingUp !== null) return { rule, detail: `node ${slot} catches up with ${catchingUp.guid}` };
    const owed = repairs.due(Infinity).filter(([, { range }]) => honest.some((guid) => inRange(range, guid)));
    if (owed.length > 0 && !hasLeft)
      return { rule, detail: `node ${slot} owes ${owed.length} repairs: ${JSON.stringify(owed[0])}` };
    const unsettled = mempool.seqsAfter(settled).length;
    if (unsettled > 0) return { rule, detail: `node ${slot} has ${unsettled} segments that are not settled` };
  }
  return null;
}

export function unmetTimers(nodes: readonly SimNode[]): Unmet | null {
  const late = nodes.find((node) => node.overdueMs > OVERDUE_MS_MAX);
  return late ? { rule: 'timers ring', detail: `node ${late.slot} is late by ${late.overdueMs / 1000} s` } : null;
}

/** Accepted messages, and the nodes that still lack them. */
export function missingMessages(
  nodes: readonly SimNode[],
  accepted: readonly Accepted[],
  guidOf: (slot: number) => Guid,
): string[] {
  const missing: string[] = [];
  for (const { id, at, expiresAt, slot } of accepted) {
    for (const node of nodes) {
      // A newcomer gets what is older from those who are there: where they have all left since, there is nobody.
      const isNewer = node.joinedAt > at;
      if (isNewer && !nodes.some((other) => other.driver?.state.mempool.get(id))) continue;
      // And whose originator everybody has forgotten, nobody who comes from elsewhere can check.
      if (isNewer && !node.isHosted && !node.driver?.state.roster.get(guidOf(slot))) continue;
      if (expiresAt <= node.now || node.driver?.state.mempool.get(id)) continue;
      missing.push(`node ${node.slot} lacks ${id.slice(0, 12)} of node ${slot}`);
    }
  }
  return missing;
}

export function unmetMessages(
  nodes: readonly SimNode[],
  accepted: readonly Accepted[],
  guidOf: (slot: number) => Guid,
): Unmet | null {
  const missing = missingMessages(nodes, accepted, guidOf);
  const rule = 'every accepted message is at every node';
  return missing.length > 0 ? { rule, detail: `${missing.length} missing: ${missing.slice(0, 4).join('; ')}` } : null;
}
