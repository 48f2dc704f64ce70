// A node's own member record, as others are told it.
import type { NodeState, Self } from './node-state.ts';
import type { Member } from './types.ts';

/** The member record of this node itself; null before it can be proved. */
export function selfMember(state: NodeState, self: Self): Member | null {
  const { guid, membership } = state;
  const certificate = membership?.certificate ?? null;
  if (guid === null || certificate === null) return null;
  const { address, publicKey, incarnation, capabilities, signature } = self;
  return { guid, address, publicKey, incarnation, capabilities, signature, certificate };
}
