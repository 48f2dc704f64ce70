// The nodes of the network, as one of them sees it. No DOM, no clock.

/** What a node can be to the one that is asked. `dead`: that one has given it up, and deleted it. */
export const NODE_STATES = ['alive', 'probation', 'suspect', 'ignored', 'dead', 'left'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface NodeView {
  readonly guid: number;
  readonly state: NodeState;
  readonly address: string;
  /** Where this deployment hosts it; null: it is elsewhere. */
  readonly slot: number | null;
  /** Unix seconds. */
  readonly lastSeen: number | null;
  readonly failures: number;
}

/** What is needed of a member of a roster. */
export interface MemberLike {
  readonly guid: number;
  readonly state: string;
  readonly address: string;
  readonly last_seen: number;
  readonly failures: number;
}

export type Nodes = ReadonlyMap<number, NodeView>;

/** Nodes that are gone and still shown; the ones that have been gone for longest give way. */
const GONE_MAX = 64;

/**
 * A roster, over what was known: who is not in it any more is dead. `prefix` is what addresses of nodes that are hosted here begin with.
 */
export function nodesOf(members: readonly MemberLike[], before: Nodes, prefix: string | null): Nodes {
  const nodes = new Map<number, NodeView>();
  for (const { guid, state, address, last_seen: lastSeen, failures } of members) {
    if (guid === 0) continue;
    nodes.set(guid, { guid, state: stateOf(state), address, slot: slotOf(address, prefix), lastSeen, failures });
  }
  const gone = [...before.values()].filter(({ guid }) => !nodes.has(guid));
  for (const node of gone.slice(-GONE_MAX))
    nodes.set(node.guid, { ...node, state: node.state === 'left' ? 'left' : 'dead' });
  return new Map([...nodes].sort(([a], [b]) => a - b));
}

/** News of some nodes' states; null where there are none. Nodes that are not known yet wait for the next roster. */
export function withStates(nodes: Nodes, news: readonly (readonly [guid: number, state: string])[]): Nodes | null {
  const changed = news.flatMap(([guid, said]) => {
    const node = nodes.get(guid);
    const state = stateOf(said);
    return node && node.state !== state ? [[guid, { ...node, state }] as const] : [];
  });
  return changed.length === 0 ? null : new Map([...nodes, ...changed]);
}

/** How many there are of each state. */
export function countStates(nodes: Nodes): Readonly<Record<NodeState, number>> {
  const counts = { alive: 0, probation: 0, suspect: 0, ignored: 0, dead: 0, left: 0 };
  for (const { state } of nodes.values()) counts[state] += 1;
  return counts;
}

/** Those that are members, which broadcasts are for. */
export function memberCount(nodes: Nodes): number {
  const { dead, left } = countStates(nodes);
  return nodes.size - dead - left;
}

/** A state that this page does not know is one of a network that goes on without it. */
function stateOf(state: string): NodeState {
  return NODE_STATES.find((known) => known === state) ?? 'alive';
}

function slotOf(address: string, prefix: string | null): number | null {
  if (prefix === null || !address.startsWith(prefix)) return null;
  const slot = address.slice(prefix.length);
  return /^[1-9]\d{0,8}$/.test(slot) ? Number(slot) : null;
}
