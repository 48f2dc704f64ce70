// The nodes of a network of several deployments, and of servers of their own: where each is, and what they know of each other.
import { basesOf, DEADLINE_MS, eventually, getJson, inParallel, type Hosted } from './network.ts';

/** What a node runs in: the deployment that hosts the boot node, another one, or a process of its own. */
export type Kind = 'boot deployment' | 'deployment' | 'Node.js';

export interface Place {
  readonly kind: Kind;
  /** Base URL of the node. */
  readonly base: string;
}

/** Every node, deployment by deployment, the one with the boot node first; then those on servers of their own, by URL. */
export function placesOf(deployments: readonly Hosted[], servers: readonly string[] = []): Place[] {
  const hosted = deployments.flatMap((deployment, index): Place[] =>
    basesOf(deployment).map((base) => ({ kind: index === 0 ? 'boot deployment' : 'deployment', base })),
  );
  return [...hosted, ...servers.map((base): Place => ({ kind: 'Node.js', base }))];
}

/** Waits until everybody knows everybody and trusts them; that takes rounds of network sync, so it may take `moreMs` longer than anything else. */
export async function allTrust(places: readonly Place[], moreMs = 0): Promise<void> {
  const areAlive = async () => {
    const statuses = await inParallel(places, ({ base }) => statusAt(base));
    return statuses.every(({ peers }) => peers?.['alive'] === places.length - 1);
  };
  await eventually('all nodes know and trust each other', areAlive, DEADLINE_MS + moreMs);
}

/** Waits until everybody trusts everybody, and has heard from the boot node who has joined from elsewhere. */
export async function atRest(places: readonly Place[]): Promise<void> {
  await allTrust(places);
  const fromElsewhere = places.filter(({ kind }) => kind !== 'boot deployment');
  const elsewhere = await inParallel(fromElsewhere, async ({ base }) => (await statusAt(base)).guid ?? 0);
  await eventually('all have heard who joined', async () => {
    const heard = await inParallel(places, ({ base }) => announcedAt(base));
    return heard.every((guids) => elsewhere.every((guid) => guids.flat().includes(guid)));
  });
}

interface Status {
  readonly guid?: number;
  readonly peers?: Readonly<Record<string, number>>;
}

export async function statusAt(base: string): Promise<Status> {
  return (await getJson(`${base}/api/v1/status`)) as Status;
}

interface Announcements {
  readonly messages: readonly {
    readonly originator: { readonly guid: number };
    readonly data: { readonly event?: { readonly args: { readonly members?: readonly { readonly guid: number }[] } } };
  }[];
}

/** What the boot node has announced, as a node has it: GUIDs, a list an announcement. */
export async function announcedAt(base: string): Promise<number[][]> {
  const { messages } = (await getJson(`${base}/api/v1/messages?limit=500`)) as Announcements;
  const told = messages.filter(({ originator }) => originator.guid === 0);
  return told.map(({ data }) => (data.event?.args.members ?? []).map(({ guid }) => guid));
}
