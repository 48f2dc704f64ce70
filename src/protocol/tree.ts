// The broadcast tree (DESIGN.md section 3; k-ary broadcast over a ring, El-Ansary et al., IPTPS 2003): N-1 sends and at
// most ceil(log_fanout N) hops where nothing fails. A range is an arc of GUID positions, not a list of members, so two
// nodes whose rosters differ still split it without a gap and without an overlap.
import { RING_SIZE } from './limits.ts';
import { assert, type Guid, type Range } from './types.ts';

/** A delivery's target and the range that it becomes responsible for, itself included. */
export interface Leg {
  readonly to: Guid;
  readonly range: Range;
}

/** Someone that a range can be cut among. */
export interface Candidate {
  readonly guid: Guid;
  /** May be handed a whole group: alive and past probation. */
  readonly trusted: boolean;
}

/** What an originator is responsible for: the whole ring but itself. The boot node, 0, has the whole ring. */
export function wholeRing(originator: Guid): Range {
  return { from: previous(originator), to: originator };
}

/** The arc that holds only `guid`. */
export function onlyMe(guid: Guid): Range {
  return { from: guid, to: previous(guid) };
}

/** Whether a GUID lies on the arc. */
export function inRange(range: Range, guid: Guid): boolean {
  return offset(range, guid) < length(range);
}

/** Whether every position of `inner` lies on `outer`. */
export function covers(outer: Range, inner: Range): boolean {
  return offset(outer, inner.from) + length(inner) <= length(outer);
}

/** Number of positions on the arc, 1 or more. `from` equal to `to` would be empty or whole: it does not exist. */
function length(range: Range): number {
  return down(range.from, range.to);
}

/** Position of a GUID, counted from the arc's start. */
function offset(range: Range, guid: Guid): number {
  return down(range.from, guid);
}

/**
 * Cuts the range that `self` is responsible for into legs: its members in ring order, in at most `fanout` groups whose sizes
 * differ by one at most; the first trusted member of a group becomes responsible for the group's whole arc. A group without
 * one gets a leg a member. The legs' ranges are disjoint and none holds `self`, so nobody is sent back what it sent.
 * A node that stands inside its range (those before it were not trusted, or have failed) sends to those before it one by one: as all
 * others only hand on to who stands nearer to a member, from the same side, no two wait for each other to reach it.
 * `members` may hold anyone: those outside the range are passed over.
 */
export function cutRange(range: Range, self: Guid, members: readonly Candidate[], fanout: number): Leg[] {
  assert(fanout >= 2, 'fanout is 2 or more');
  if (!inRange(range, self)) return cutArc(range, members, fanout);
  const before: Range = { from: range.from, to: self };
  const after: Range = { from: previous(self), to: range.to };
  const legs = before.from === before.to ? [] : legEach(inOrder(before, members), before);
  return after.from === after.to ? legs : [...legs, ...cutArc(after, members, fanout)];
}

function cutArc(range: Range, members: readonly Candidate[], fanout: number): Leg[] {
  const inside = inOrder(range, members);
  const groups = Math.min(fanout, inside.length);
  const legs: Leg[] = [];
  for (let group = 0; group < groups; group++) {
    const start = Math.floor((group * inside.length) / groups);
    const end = Math.floor(((group + 1) * inside.length) / groups);
    // The first arc starts with the range and each ends where the next group begins: members that we do not know of
    // yet fall to the delegate around them.
    const from = group === 0 ? range.from : guidAt(inside, start);
    const to = group === groups - 1 ? range.to : guidAt(inside, end);
    const delegate = inside.slice(start, end).find((member) => member.trusted);
    if (delegate) legs.push({ to: delegate.guid, range: { from, to } });
    else legs.push(...legEach(inside.slice(start, end), { from, to }));
  }
  return legs;
}

/** Those on the arc, in ring order. */
function inOrder(arc: Range, members: readonly Candidate[]): Candidate[] {
  const inside = members.filter((member) => inRange(arc, member.guid));
  return inside.sort((a, b) => offset(arc, a.guid) - offset(arc, b.guid));
}

/** A leg a member: nobody that we know of hangs on them, but the gaps between them are still somebody's. */
function legEach(members: readonly Candidate[], arc: Range): Leg[] {
  return members.map((member, index) => ({
    to: member.guid,
    range: {
      from: index === 0 ? arc.from : member.guid,
      to: index === members.length - 1 ? arc.to : guidAt(members, index + 1),
    },
  }));
}

function guidAt(members: readonly Candidate[], index: number): Guid {
  const member = members[index];
  assert(member, 'a group is never empty');
  return member.guid;
}

/** Steps downwards from one position to another, 0..RING_SIZE-1. */
export function down(from: number, to: number): number {
  return (((from - to) % RING_SIZE) + RING_SIZE) % RING_SIZE;
}

function previous(position: number): number {
  return position === 0 ? RING_SIZE - 1 : position - 1;
}
