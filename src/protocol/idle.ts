// How long until the next sync round. Where nothing has happened since the last one the pause doubles, up to a limit; whatever happens brings
// it back. All of it follows from what is stored, the sync timer among it, since an idle node is evicted between two rounds.
import type { Context } from './effects.ts';
import { IDLE_SYNC_MS_MAX, RECONCILE_AFTER_MS, RECONCILE_STEP_MS } from './limits.ts';
import type { NodeState } from './node-state.ts';
import type { ProtocolConfig } from './config.ts';
import { isHosted } from './whom.ts';
import type { Millis, Peer } from './types.ts';

/** Rounds that must fit into the life of a newcomer's certificate, and into GUID_TIMEOUT, when nothing happens. */
const ROUNDS_A_TIMEOUT = 4;

/** The moment of the next round: so drawn that nodes do not stay in step. */
export function nextSyncAt(context: Context): Millis {
  const { state, config, now } = context;
  const pause = isQuiet(context) ? Math.min(idlePause(config), 2 * lastPause(state)) : 0;
  return now + jittered(context, Math.max(config.syncIntervalMs, pause));
}

/** Whether the next round, as it is set, is further away than usual. */
export function isBackedOff({ state, config }: Context): boolean {
  return lastPause(state) > intervalMax(config);
}

/** Something happened: where the next round is further away than an interval, it comes nearer. */
export function stir(context: Context): void {
  const { state, config, now } = context;
  const timer = state.timers.get('sync');
  if (state.guid === null || state.leftAt !== null || !timer || timer.at <= now + intervalMax(config)) return;
  state.timers.set('sync', now + jittered(context, config.syncIntervalMs), now);
  state.counters.add('stirred');
}

/** Longest pause: no certificate and no peer's silence may run out in it. */
export function idlePause(config: ProtocolConfig): Millis {
  const { guidTimeoutMs, newcomerCertificateMs, syncIntervalMs } = config;
  const timeout = Math.min(guidTimeoutMs, newcomerCertificateMs) / ROUNDS_A_TIMEOUT;
  return Math.max(syncIntervalMs, Math.min(IDLE_SYNC_MS_MAX, timeout));
}

/** Whether nothing has happened since the last round, and nobody needs looking after. */
function isQuiet(context: Context): boolean {
  const { state, config } = context;
  const since = state.timers.get('sync')?.setAt ?? Infinity;
  // What came right before the last round was too young to be compared in it: who has missed it is found in this one.
  const comparedUntil = since - RECONCILE_AFTER_MS - RECONCILE_STEP_MS;
  if (state.repairs.size > 0 || state.mempool.newestAt >= comparedUntil || state.rosterDamaged) return false;
  for (const peer of state.roster.restless()) if (needsCare(peer, config.hostedPrefix)) return false;
  return true;
}

/** Not yet what it will be, or in trouble. */
function needsCare(peer: Peer, hostedPrefix: string): boolean {
  if (peer.state === 'suspect' || peer.state === 'ignored') return true;
  return peer.state === 'probation' && !isHosted(peer, hostedPrefix);
}

/** How long the round that is set, or has just begun, is waited for. */
function lastPause(state: NodeState): Millis {
  const timer = state.timers.get('sync');
  return timer && timer.setAt > 0 ? timer.at - timer.setAt : 0;
}

function jittered({ config, rng }: Context, pause: Millis): Millis {
  // In proportion, or nodes would be in step after a long pause; and no longer than half of it, for it must not grow without an end.
  const longer = Math.min((config.syncJitterMs * pause) / config.syncIntervalMs, pause / 2);
  return pause + Math.round(rng() * Math.max(config.syncJitterMs, longer));
}

function intervalMax({ syncIntervalMs, syncJitterMs }: ProtocolConfig): Millis {
  return syncIntervalMs + syncJitterMs;
}
