// What the node and the boot node have in common that have a process, and an address, of their own.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Millis } from '../protocol/types.ts';
import type { LogRing } from '../shell/log-ring.ts';
import type { Log } from '../shell/log.ts';

export interface ServerOptions {
  readonly config: Config;
  /** Where others reach it: a URL with no path. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Where the databases are; null: in memory. */
  readonly storageDir: string | null;
  /** Header in which a proxy in front says who calls; null: there is none. */
  readonly proxyHeader: string | null;
  readonly log: Log;
  /** What was logged last. */
  readonly recentLogs: LogRing;
}

/** What requests that are under way get of the time for an orderly end. */
export const REQUESTS_SHARE = 0.25;

/** How often it is looked whether everything is delivered, at the end. */
const DRAIN_POLL_MS = 20;

/** Waits until nothing is owed any more, or the time is over. */
export async function drained(isOwing: () => boolean, until: Millis): Promise<void> {
  while (isOwing() && Date.now() < until) await sleep(DRAIN_POLL_MS);
}

/** The same configuration, where nobody else is taken for a node of this operator's, to be trusted: no address begins with the prefix. */
export function aloneAt(address: string, config: Config, nodeCount: 0 | 1): Config {
  return { ...config, publicUrl: address, nodeCount, protocol: { ...config.protocol, hostedPrefix: `${address}//` } };
}
