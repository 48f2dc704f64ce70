// What a sender is told of legs that could not be delivered.
import { hashOf } from '../protocol/canonical.ts';
import type { Undeliverable } from '../protocol/effects.ts';
import type { Bundle } from '../protocol/job.ts';
import { unseal } from '../protocol/seal.ts';

/** The legs of bundles, and the ids of what they were to bring. `answered`: the targets are there, but were busy. */
export function undelivered(bundles: readonly Bundle[], answered: boolean): Undeliverable[] {
  return bundles.flatMap(({ bodies, legs, attempt, without }) => {
    const ids = bodies.map((sealed) => hashOf(unseal(sealed).body));
    return legs.map((leg) => ({ to: leg.to, range: leg.range, attempt, without, answered, ids }));
  });
}
