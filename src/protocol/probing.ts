// Probes: is a peer there, is it one of this network, and can it prove its key? Whoever is not trusted yet, or in trouble, is only
// probed: few at once, all in parallel, with a short time limit, so that however many vanish, a round waits no longer than for one.
import { logged, type Context, type Effect, type PeerFault } from './effects.ts';
import { stir } from './idle.ts';
import { IMPATIENT_MS } from './limits.ts';
import type { Certificate, Guid, Member, Millis, Peer, PeerState } from './types.ts';
import { isHosted, probePeers } from './whom.ts';

/** Pause between two probes of one peer that somebody's word led to: words are cheap. */
const PROBE_PAUSE_MS = 30_000;

/** Probes under way at once that words led to. */
const WORD_PROBES_MAX = 8;

/** How this deployment's own nodes are asked. */
export type Ask = (
  context: Context,
  peer: { readonly guid: Guid; readonly address: string },
  members: readonly Member[],
) => Effect[];

/** The probes of a sync round, besides the peers that are asked in it anyway. */
export function startProbes(context: Context, round: readonly Peer[], ask: Ask): Effect[] {
  const { state, config, now, rng } = context;
  return probePeers(state.roster, round, config.probationMs, now, rng).flatMap((peer) => start(context, peer, ask));
}

/** A probe that somebody's word led to: not again for a while, and not too many. */
export function probe(context: Context, guid: Guid, ask: Ask): Effect[] {
  const { state, now } = context;
  const peer = state.roster.get(guid);
  const lately = now - (state.probedAt.get(guid) ?? -Infinity) < PROBE_PAUSE_MS;
  if (!peer || peer.state === 'left' || state.leftAt !== null || lately || state.probing.size >= WORD_PROBES_MAX)
    return [];
  forgetOld(state.probedAt, now);
  state.probedAt.set(guid, now);
  return start(context, peer, ask);
}

function start(context: Context, peer: Peer, ask: Ask): Effect[] {
  const { state, config } = context;
  if (isHosted(peer, config.hostedPrefix)) return ask(context, peer, []);
  if (state.probing.has(peer.guid)) return [];
  state.probing.add(peer.guid);
  state.counters.add('probes');
  beginWait(context);
  const { guid, address, publicKey } = peer;
  return [{ type: 'probe', to: { guid, address, publicKey }, timeoutMs: IMPATIENT_MS }];
}

/** It is there, and proved its key. */
export function probeAnswered(
  context: Context,
  guid: Guid,
  capabilities: readonly string[],
  certificate: Certificate | null,
): Effect[] {
  const { state, now } = context;
  ended(context, guid);
  state.counters.add('probes_answered');
  state.health.ok();
  if (certificate) state.roster.renew(guid, certificate);
  state.roster.setCapabilities(guid, capabilities);
  const before = state.roster.get(guid);
  state.roster.seen(guid, now, true);
  const after = state.roster.get(guid);
  if (!before || !after || (before.proved && before.state === after.state)) return [];
  return [logged('peer_proved', { guid, state: after.state })];
}

/** No answer. */
export function probeFailed(context: Context, guid: Guid, reason: string): Effect[] {
  const { state } = context;
  ended(context, guid);
  state.counters.add('probes_failed');
  const peerState = noAnswer(context, guid);
  return [logged('probe_failed', { guid, state: peerState, reason })];
}

/** A call of this node got no answer: the peer has failed, or this node is ill itself, and then the peer has a few more tries. */
export function noAnswer(context: Context, guid: Guid): PeerState | null {
  const { roster, health } = context.state;
  stir(context);
  if (roster.get(guid)?.state === 'alive') health.failed();
  return roster.failed(guid, context.now, health.patience);
}

/** Something answers there, but it is no peer: it is not kept as one. */
export function probeRefused(context: Context, guid: Guid, fault: PeerFault): Effect[] {
  const { state } = context;
  ended(context, guid);
  const address = state.roster.get(guid)?.address ?? null;
  state.roster.drop(guid);
  state.counters.add(`peers_refused_${fault}`);
  return [logged('peer_refused', { guid, address, reason: fault })];
}

/** It took a delivery, and its answer proved its key. Who it is besides is asked before anything depends on it. */
export function reached(context: Context, guid: Guid): Effect[] {
  const { roster } = context.state;
  roster.seen(guid, context.now);
  return roster.get(guid)?.proved === false ? probe(context, guid, () => []) : [];
}

/**
 * An authenticated call from a peer. It proves who calls, not that the caller can be called: a peer in trouble, or a new one, is
 * looked at soon instead.
 */
export function heard(context: Context, guid: Guid): Effect[] {
  const { state, config, now } = context;
  const peer = state.roster.get(guid);
  if (!peer) return [];
  if (isHosted(peer, config.hostedPrefix)) {
    state.roster.seen(guid, now);
    return [];
  }
  const isWell = peer.proved && (peer.state === 'alive' || (peer.state === 'probation' && peer.failures === 0));
  return isWell ? [] : probe(context, guid, () => []);
}

/** Begins to wait for someone who is not trusted. */
export function beginWait({ state, now }: Context): void {
  if (state.waits.count++ === 0) state.waits.since = now;
}

/** Ends it: waits at the same time are one. */
export function endWait({ state, now }: Context): void {
  if (state.waits.count === 0 || --state.waits.count > 0) return;
  state.counters.add('untrusted_wait_ms', now - state.waits.since);
}

function ended(context: Context, guid: Guid): void {
  if (context.state.probing.delete(guid)) endWait(context);
}

function forgetOld(probedAt: Map<Guid, Millis>, now: Millis): void {
  for (const [guid, at] of probedAt) {
    // In the order in which they were set, which is that of time.
    if (now - at < PROBE_PAUSE_MS) return;
    probedAt.delete(guid);
  }
}
