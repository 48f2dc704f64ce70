// What goes into a handover: whom a range's messages are sent to, and which they are.
import type { ProtocolConfig } from './config.ts';
import type { Context } from './effects.ts';
import type { Bundle, JobLeg } from './job.ts';
import { FANOUT_INSIDE, FANOUT_OUTSIDE } from './limits.ts';
import type { Repair } from './repairs.ts';
import type { Sealed } from './seal.ts';
import { cutRange } from './tree.ts';
import type { Guid, Range } from './types.ts';
import { candidates, isHosted } from './whom.ts';

/** The legs that a range is cut into, but for whom is left out. The same list as long as no peer changes. */
export function legsOf(context: Context, guid: Guid, range: Range, without: readonly Guid[]): readonly JobLeg[] {
  const { cuts, roster, leftAt } = context.state;
  const key = `${guid} ${range.from} ${range.to} ${leftAt !== null} ${without.join()}`;
  return cuts.of(key, roster.writes, () => cutLegs(context, guid, range, without));
}

function cutLegs({ state, config }: Context, guid: Guid, range: Range, without: readonly Guid[]): JobLeg[] {
  const { roster } = state;
  const members = candidates(roster, config.hostedPrefix, range, state.leftAt !== null).filter(
    (member) => !without.includes(member.guid),
  );
  const isInside = members.every((member) => member.inside);
  return cutRange(range, guid, members, fanoutOf(config, isInside)).flatMap((leg) => {
    const peer = roster.get(leg.to);
    if (!peer) return [];
    const isOwn = isHosted(peer, config.hostedPrefix);
    const outside = isOwn ? null : { publicKey: peer.publicKey, isTrusted: peer.state === 'alive' };
    return { to: leg.to, address: peer.address, range: leg.range, outside };
  });
}

/** Groups that a range is cut into; `isInside`: all of its members are nodes of this deployment. */
export function fanoutOf({ fanout }: Pick<ProtocolConfig, 'fanout'>, isInside: boolean): number {
  return fanout ?? (isInside ? FANOUT_INSIDE : FANOUT_OUTSIDE);
}

/** Bodies of a repair's unexpired messages by the hops that they have made. */
export function bodiesOf(context: Context, repair: Repair): Map<number, Sealed[]> {
  const { mempool } = context.state;
  const byHops = new Map<number, Sealed[]>();
  for (const id of repair.ids) {
    const entry = mempool.get(id);
    const body = entry && entry.expiresAt > context.now ? mempool.bodyOf(entry) : null;
    if (entry && body !== null) byHops.set(entry.hops, [...(byHops.get(entry.hops) ?? []), body]);
  }
  return byHops;
}

/** The legs of bundles that go outside, or those that do not. */
export function lane(bundles: readonly Bundle[], outside: boolean): Bundle[] {
  const isOfLane = (leg: JobLeg) => (leg.outside !== null) === outside;
  return bundles
    .map((bundle) => (bundle.legs.every(isOfLane) ? bundle : { ...bundle, legs: bundle.legs.filter(isOfLane) }))
    .filter((bundle) => bundle.legs.length > 0);
}

/** Messages times targets. */
export function countLegs(jobs: readonly { readonly bundles: readonly Bundle[] }[]): number {
  let legs = 0;
  for (const job of jobs) for (const bundle of job.bundles) legs += bundle.legs.length * bundle.bodies.length;
  return legs;
}
