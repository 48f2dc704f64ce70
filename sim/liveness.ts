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

/** Accepted messages, and the members that still lack them. `nodeOf`: the node of a slot, also one that has left. */
export function missingMessages(
  members: readonly SimNode[],
  accepted: readonly Accepted[],
  nodeOf: (slot: number) => SimNode | null,
): string[] {
  const missing: string[] = [];
  for (const { id, at, expiresAt, slot } of accepted) {
    const originator = nodeOf(slot);
    const isAnywhere = members.some((node) => node.driver?.state.mempool.get(id));
    for (const node of members) {
      if (expiresAt <= node.now || node.driver?.state.mempool.get(id)) continue;
      // A newcomer gets what is older from those who are there: where they have all left since, there is nobody.
      const isNewer = node.joinedAt > at;
      if (isNewer && !isAnywhere) continue;
      // Whose originator is forgotten, nobody can check who gets it from elsewhere.
      const isForgotten = !node.driver?.state.roster.get(originator?.guid ?? 0);
      if (!node.isHosted && isForgotten && (isNewer || originator?.hasLeft)) continue;
      // Who left before anybody took it calls nobody, and learns of no new addresses.
      const known = originator?.driver?.state.roster.get(node.guid ?? 0)?.address;
      if (!isAnywhere && originator?.hasLeft && (isForgotten || known !== node.self.address)) continue;
      missing.push(`node ${node.slot} lacks ${id.slice(0, 12)} of node ${slot}`);
    }
  }
  return missing;
}

export function unmetMessages(
  members: readonly SimNode[],
  accepted: readonly Accepted[],
  nodeOf: (slot: number) => SimNode | null,
): Unmet | null {
  const missing = missingMessages(members, accepted, nodeOf);
  const rule = 'every accepted message is at every node';
  return missing.length > 0 ? { rule, detail: `${missing.length} missing: ${missing.slice(0, 4).join('; ')}` } : null;
}
