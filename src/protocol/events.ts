// Events that tell of members. Each is believed from those alone who can know it, and never for longer than it is true.
import { logged, type Context, type Effect } from './effects.ts';
import { readMember } from './member.ts';
import { learnAll, lookInto } from './membership.ts';
import { DEAD_PEER, eventOf, isGuid, PEER_JOINED, PEER_LEAVING, type Message } from './message.ts';
import { refute } from './refuting.ts';
import { BOOT_GUID, type Guid, type JsonObject, type JsonValue } from './types.ts';

/** Acts on the events of new messages. Unknown events are the application's: passed on, logged, never an error. */
export function onEvents(context: Context, messages: readonly Message[]): Effect[] {
  return messages.flatMap(({ content }) => {
    const event = eventOf(content.data);
    if (!event) return [];
    const { guid } = content.originator;
    switch (event.name) {
      case PEER_JOINED:
        return onPeerJoined(context, guid, event.args['members']);
      case PEER_LEAVING:
        return onPeerLeaving(context, guid, event.args);
      case DEAD_PEER:
        return onDeadPeer(context, guid, event.args['guid']);
      default:
        return [logged('event_passed_on', { name: event.name.slice(0, 64), guid })];
    }
  });
}

/**
 * Told by the boot node, and by a member of itself alone, where the boot node is away. What is older than what is known changes nothing.
 * Signatures of what comes from outside were checked where it came in.
 */
function onPeerJoined(context: Context, from: Guid, members: JsonValue | undefined): Effect[] {
  const list = Array.isArray(members) ? (members as readonly JsonValue[]).map(readMember) : [];
  const isOwn = list.length === 1 && list[0]?.guid === from;
  if (from !== BOOT_GUID && !isOwn) return [refused(PEER_JOINED, from)];
  // An announcement may come late: a certificate that has run out proves nothing any more.
  const valid = list.filter((member) => member !== null && member.certificate.expiresAt > context.now);
  return learnAll(context, valid as NonNullable<(typeof valid)[number]>[]).effects;
}

/** Told by the leaver alone, with the incarnation that leaves: one from before it came back is out of date. */
function onPeerLeaving(context: Context, from: Guid, args: JsonObject): Effect[] {
  const { guid, incarnation } = args;
  const isSound = typeof incarnation === 'number' && Number.isSafeInteger(incarnation) && incarnation >= 0;
  if (!isSound || guid !== from || from === context.state.guid) return [refused(PEER_LEAVING, from)];
  const isNew = context.state.roster.left(from, incarnation, context.now);
  return isNew ? [logged('peer_left', { guid: from })] : [];
}

/** Told by anybody: a reason to look. Whom it is about speaks up. */
function onDeadPeer(context: Context, from: Guid, guid: JsonValue | undefined): Effect[] {
  if (!isGuid(guid)) return [];
  if (guid === context.state.guid) return refute(context, from, 'dead');
  return [logged('suspicion', { guid, from }), ...lookInto(context, guid)];
}

function refused(name: string, guid: Guid): Effect {
  return logged('event_refused', { name, guid });
}
