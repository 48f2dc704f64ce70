// How the boot node tells a member that it knows a later record of its key, and how the member reads that.
import type * as z from 'zod';
import type { problem } from './schemas.ts';
import { ProblemError } from './problem.ts';

/** Higher incarnations are not believed: from there a member could not go on raising its own for ever. */
const INCARNATION_CLAIM_MAX = 2 ** 52;

const PATH = 'incarnation';
const MUST_BE_ABOVE = /^must be above (\d{1,16})$/;

/** The next record of this key must have an incarnation above the one that is known. */
export function staleRecord(incarnation: number): ProblemError {
  const detail = `the next record of this key needs an incarnation above ${incarnation}`;
  return new ProblemError('stale-record', detail, {
    errors: [{ path: PATH, message: `must be above ${incarnation}` }],
  });
}

/** The incarnation that a boot node says it knows; null where its problem says nothing of that. */
export function knownIncarnation({ errors = [] }: z.output<typeof problem>): number | null {
  const message = errors.find(({ path }) => path === PATH)?.message ?? '';
  const known = Number(MUST_BE_ABOVE.exec(message)?.[1] ?? NaN);
  return known <= INCARNATION_CLAIM_MAX ? known : null;
}
