// The members of a network, and where to ask them.
import { nodeUrl, type Client, type NodeName } from './client.ts';

/** Calls under way at once. */
const PARALLEL = 16;

export interface MemberPlace {
  readonly guid: number;
  /** Base URL. */
  readonly base: string;
}

/** All members that the node knows, itself among them, and where to ask them. */
export async function membersOf(client: Client, node: NodeName): Promise<MemberPlace[]> {
  const own = await client.status(node);
  const prefix = node === 'own' ? null : own.address.replace(/\/n\/\d+$/, '/n/');
  const bases = new Map<number, string>([[own.guid ?? 0, nodeUrl(client.url, node)]]);
  for await (const member of client.members(node)) {
    // The boot node carries no messages; who said good-bye expects none.
    if (member.guid === 0 || member.guid === own.guid || member.state === 'left') continue;
    // Nodes of the same deployment are asked through the URL that we were given: theirs may only mean something inside.
    const isHere = prefix !== null && member.address.startsWith(prefix);
    const slot = isHere ? Number(member.address.slice(prefix.length)) : NaN;
    bases.set(member.guid, Number.isInteger(slot) ? nodeUrl(client.url, slot) : member.address);
  }
  return [...bases].map(([guid, base]) => ({ guid, base }));
}

/** Runs `work` for all items, some at once; results in order. */
export async function pooled<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const next = items.entries();
  const worker = async () => {
    for (const [index, item] of next) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
  return results;
}
