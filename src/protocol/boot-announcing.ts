// How the boot node's announcements travel: down the tree, through the nodes of its deployment; where it hosts none, through members elsewhere.
// It is in no ring and keeps no messages, so what a failed delegate did not pass on is cut anew from the job itself.
import { allPages, type BootContext } from './boot.ts';
import { fanoutOf } from './bundles.ts';
import { packJobs, type Bundle, type Job, type JobLeg } from './job.ts';
import { CAN_DELIVER, FAILOVERS_MAX } from './limits.ts';
import type { Sealed } from './seal.ts';
import type { Allocation } from './store.ts';
import { cutRange, wholeRing } from './tree.ts';
import { BOOT_GUID, type Guid, type Range } from './types.ts';
import { isHosted } from './whom.ts';

/** Signed announcements as jobs for the queue. */
export function announcementJobs(context: BootContext, bodies: readonly Sealed[]): Job[] {
  const legs = legsOf(context, wholeRing(BOOT_GUID), []);
  return jobsOf(context, [{ bodies, legs, hops: 1, attempt: 0, without: [] }]);
}

/**
 * A job that was given up, for others in the ranges of those who did not answer. Where too many have failed one after the other, who is left
 * hears of newcomers at sync.
 */
export function announcementFailover(context: BootContext, { bundles }: Job): Job[] {
  const again = bundles.flatMap((bundle) =>
    bundle.legs.flatMap((leg): Bundle[] => {
      const without = [...bundle.without, leg.to];
      if (without.length > FAILOVERS_MAX) return [];
      const legs = legsOf(context, leg.range, without);
      return legs.length === 0 ? [] : [{ ...bundle, legs, without }];
    }),
  );
  return jobsOf(context, again);
}

function jobsOf({ config, address, store }: BootContext, bundles: readonly Bundle[]): Job[] {
  return packJobs(config.network, { guid: BOOT_GUID, address, maxGuid: store.maxGuid() }, bundles);
}

function legsOf(context: BootContext, range: Range, without: readonly Guid[]): JobLeg[] {
  const { config, now } = context;
  const members = audience(context);
  // It has no opinion of members elsewhere: who is past probation may pass announcements on.
  const isTrusted = (member: Allocation) => isOwn(context, member) || now - member.joinedAt >= config.probationMs;
  const candidates = [...members.values()]
    .filter(({ guid }) => !without.includes(guid))
    .map((member) => ({ guid: member.guid, trusted: isTrusted(member) }));
  const isInside = [...members.values()].every((member) => isOwn(context, member));
  return cutRange(range, BOOT_GUID, candidates, fanoutOf(config, isInside)).flatMap((leg) => {
    const member = members.get(leg.to);
    if (!member) return [];
    const outside = isOwn(context, member) ? null : { publicKey: member.publicKey, isTrusted: isTrusted(member) };
    return { ...leg, address: member.address, outside };
  });
}

/** Whom the boot node speaks to: the nodes of its deployment, who pass it on; without any, every member that takes deliveries. */
function audience(context: BootContext): Map<Guid, Allocation> {
  const [own, others] = [new Map<Guid, Allocation>(), new Map<Guid, Allocation>()];
  for (const allocation of allPages(context)) {
    if (isOwn(context, allocation)) own.set(allocation.guid, allocation);
    else if (own.size === 0 && allocation.capabilities.includes(CAN_DELIVER)) others.set(allocation.guid, allocation);
  }
  return own.size > 0 ? own : others;
}

function isOwn({ config }: BootContext, member: Allocation): boolean {
  return isHosted(member, config.hostedPrefix);
}
