// Liveness: what must come true in bounded time once faults have stopped. Each rule says what is still missing, or nothing.
import type { Accepted } from './checks.ts';
import { isLive } from '../src/protocol/roster.ts';
import type { Guid } from '../src/protocol/types.ts';
import type { SimNode } from './node.ts';

/** How long a timer may be overdue: cron repairs a lost alarm each minute. */
const OVERDUE_MS_MAX = 120_000;

export interface Unmet {
  readonly rule: string;
  readonly detail: string;
}

/** All know all: `liars` may be anything to anybody. */
export function unmetLiveSet(nodes: readonly SimNode[], liars: ReadonlySet<Guid>): Unmet | null {
  const rule = 'the same live set everywhere';
  const guids = nodes.map((node) => node.guid);
  for (const node of nodes) {
    const { guid, driver, slot } = node;
    if (guid === null || !driver) return { rule, detail: `node ${slot} has not joined` };
    const live = new Set<Guid>([guid]);
    for (const peer of driver.state.roster.peers()) if (isLive(peer.state)) live.add(peer.guid);
    const missing = guids.filter((other) => other === null || !live.has(other));
    const odd = [...live].filter((other) => !guids.includes(other) && !liars.has(other));
    if (missing.length + odd.length > 0) {
      const states = missing.map((other) => `${other}:${driver.state.roster.get(other ?? 0)?.state ?? 'unknown'}`);
      return { rule, detail: `node ${slot} (GUID ${guid}) lacks ${states.join()}, has besides ${odd.join()}` };
    }
  }
  return null;
}

/** Nothing is owed to anybody that is there. */
export function unmetOutbox(nodes: readonly SimNode[]): Unmet | null {
  const rule = 'outboxes are empty';
  for (const { driver, slot } of nodes) {
    if (!driver) continue;
    const { repairs, handover, mempool, settled, catchingUp } = driver.state;
    if (handover !== null) return { rule, detail: `node ${slot} has a handover under way` };
    if (catchingUp !== null) return { rule, detail: `node ${slot} catches up with ${catchingUp.guid}` };
    if (repairs.size > 0) return { rule, detail: `node ${slot} owes ${repairs.size} repairs` };
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
export function missingMessages(nodes: readonly SimNode[], accepted: readonly Accepted[]): string[] {
  const missing: string[] = [];
  for (const { id, expiresAt, slot } of accepted) {
    for (const node of nodes) {
      if (expiresAt <= node.now || node.driver?.state.mempool.get(id)) continue;
      missing.push(`node ${node.slot} lacks ${id.slice(0, 12)} of node ${slot}`);
    }
  }
  return missing;
}

export function unmetMessages(nodes: readonly SimNode[], accepted: readonly Accepted[]): Unmet | null {
  const missing = missingMessages(nodes, accepted);
  const rule = 'every accepted message is at every node';
  return missing.length > 0 ? { rule, detail: `${missing.length} missing: ${missing.slice(0, 4).join('; ')}` } : null;
}
