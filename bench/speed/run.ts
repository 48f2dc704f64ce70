// One network size: all contenders started, measured in turn, stopped.
import { Bare } from './bare.ts';
import type { Contender } from './contender.ts';
import { Counted, type Cost } from './counted.ts';
import { GossipSub } from './gossipsub.ts';
import { findRate, highest, measureAlone, type Alone, type AtRate } from './measure.ts';
import { Ours } from './ours.ts';
import { PeerProcess } from './peer-process.ts';
import { Serf } from './serf.ts';

/** Message size of the runs at a rate, bytes. */
const RATE_BYTES = 1024;

export interface RunOptions {
  readonly nodes: number;
  /** Bytes of the messages that go alone, a run each. */
  readonly sizes: readonly number[];
  /** A size. */
  readonly messages: number;
  /** Of each rate that is tried. */
  readonly seconds: number;
  /** The first rate that is tried, messages a second; 0: none. */
  readonly first: number;
  /** Messages that a node publishes at once in the runs at a rate, with one request where there is such a request. */
  readonly together: number;
  /** FANOUT; empty: its default. */
  readonly fanout: string;
  readonly withPeers: boolean;
  readonly progress: (line: string) => void;
}

/** By contender; null: it has no messages of this size. */
export interface AloneOfSize {
  readonly bytes: number;
  readonly by: Readonly<Record<string, Alone | null>>;
}

export interface Measured {
  readonly nodes: number;
  readonly startSeconds: number;
  readonly rssMBPerNode: number | null;
  readonly hopsMax: number;
  /** This network and the bare fan-out. */
  readonly alone: readonly AloneOfSize[];
  /** The same beside the peers, whose idle nodes take a part of the processor, and the peers; empty without them. */
  readonly besidePeers: readonly AloneOfSize[];
  /** Of the rates: messages that a node published at once. */
  readonly together: number;
  /** By contender: all rates that were tried. */
  readonly rates: Readonly<Record<string, { readonly highest: number; readonly tried: readonly AtRate[] }>>;
  readonly costAlone: Cost;
  /** At the highest rate that held. */
  readonly costAtRate: Cost | null;
  readonly trouble: readonly string[];
}

export async function measureNetwork(options: RunOptions): Promise<Measured> {
  const { nodes, sizes, messages, first, seconds, together, fanout, withPeers, progress } = options;
  progress(`${nodes} nodes: starting …`);
  const ours = await Ours.start(nodes, { FANOUT: fanout });
  const running: Contender[] = [ours];
  try {
    const rss = ours.usage()?.rssBytes ?? null;
    const bare = await Bare.start(nodes);
    running.push(bare);
    const eachSize = async (beside: string) => {
      const measured: AloneOfSize[] = [];
      for (const bytes of sizes) {
        progress(`${nodes} nodes, ${bytes} bytes, one at a time${beside} …`);
        measured.push({ bytes, by: Object.fromEntries(await measureAlone(running, messages, bytes)) });
      }
      return measured;
    };
    // What nodes counted while they started is told with the next row that they store.
    await measureAlone([ours], 1, RATE_BYTES);
    const before = await Counted.read(ours);
    const alone = await eachSize('');
    const costAlone = (await Counted.read(ours)).since(before);
    if (withPeers) await startPeers(running, nodes, progress);
    const besidePeers = running.length > 2 ? await eachSize(', beside the peers') : [];
    const { rates, costAtRate } = await measureRates(running.toSpliced(2, 0, bare.batched()), ours, {
      first,
      seconds,
      together,
      progress,
    });
    return {
      nodes,
      startSeconds: ours.network.startMs / 1000,
      rssMBPerNode: rss === null ? null : rss / 1e6 / nodes,
      hopsMax: ours.hopsMax,
      alone,
      besidePeers,
      together,
      rates,
      costAlone,
      costAtRate,
      trouble: ours.network.trouble.slice(0, 20),
    };
  } finally {
    for (const contender of running) await contender.stop();
  }
}

/** Those of the peers that can be run here with so many nodes. */
async function startPeers(running: Contender[], nodes: number, progress: RunOptions['progress']): Promise<void> {
  if (nodes <= GossipSub.NODES_MAX) running.push(await GossipSub.start(nodes));
  else progress(`GossipSub is left out above ${GossipSub.NODES_MAX} nodes`);
  if (!Serf.installed()) progress('Serf is not installed, left out');
  else if (nodes <= Serf.NODES_MAX) running.push(await Serf.start(nodes));
  else progress(`Serf is left out above ${Serf.NODES_MAX} nodes`);
}

async function measureRates(
  contenders: readonly Contender[],
  ours: Ours,
  { first, seconds, together, progress }: Pick<RunOptions, 'first' | 'seconds' | 'together' | 'progress'>,
): Promise<Pick<Measured, 'rates' | 'costAtRate'>> {
  const rates = new Map<Contender, Measured['rates'][string]>();
  let costAtRate: Cost | null = null;
  // The peers first, and each ends when it has been measured: they use the processor even when nobody sends.
  for (const contender of first === 0 ? [] : contenders.toReversed()) {
    const tell = ({ rate, p95Ms, missing, refused, holds, cpuMsPerDelivery }: AtRate) =>
      progress(
        `${contender.name}, ${contender.nodes} nodes: ${rate} messages/s, ${together} together: p95 ${p95Ms.toFixed(0)} ms, ${cpuMsPerDelivery?.toFixed(3) ?? '?'} ms CPU a delivery, ${missing} missing, ${refused} refused${holds ? '' : ': too many'}`,
      );
    let before = await Counted.read(ours);
    const tried = await findRate(contender, {
      // The slowest would fail at the first: they begin where the others have long been.
      first: contender instanceof PeerProcess ? 1 : first,
      seconds,
      bytes: RATE_BYTES,
      together,
      tell,
      between: async (result) => {
        if (contender !== ours) return;
        const after = await Counted.read(ours);
        if (result.holds) costAtRate = after.since(before);
        before = after;
      },
    });
    rates.set(contender, { highest: highest(tried), tried });
    if (contender instanceof PeerProcess) await contender.stop();
  }
  const inOrder = contenders.flatMap((contender) => {
    const rate = rates.get(contender);
    return rate ? [[contender.name, rate] as const] : [];
  });
  return { rates: Object.fromEntries(inOrder), costAtRate };
}
