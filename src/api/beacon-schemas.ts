// Shapes of the beacon's routes.
import * as z from 'zod';
import {
  BEACON_SHOWN_MAX,
  GUID_MAX,
  MESSAGES_PAGE_MAX,
  REPORT_DUPLICATES_MAX,
  REPORT_INTERVALS_MAX,
  REPORT_RECEIPTS_MAX,
} from '../protocol/limits.ts';
import { CURSOR_CHARS_MAX, pageQuery } from './schemas.ts';
import { guid, guidOrBoot, messageId, numeral, seconds } from './shapes.ts';

/** An instance is drawn, a cursor of a mempool is two numbers. */
const INSTANCE_CHARS_MAX = 64;
const MEMPOOL_CURSOR = /^\d{1,15}(\.\d{1,7})?$/;
/** Duplicates of one message at one node between two of its reports. */
const DUPLICATES_MAX = 1_000_000;
/** More than any clock has; hops are counted up to a limit of the network's own. */
const HOPS_SHOWN_MAX = 1_000;

const duration = z.number().meta({ description: 'seconds since broadcast_timestamp' });
const reached = duration.nullable();
const mempoolCursor = z.string().regex(MEMPOOL_CURSOR, 'expected a cursor of the caller’s mempool');

export const beaconQuery = pageQuery(MESSAGES_PAGE_MAX).extend({
  originator: numeral(0, GUID_MAX).optional().meta({ description: 'only messages of this member; 0: the boot node' }),
});
export const beaconStreamQuery = z.object({
  cursor: z.string().min(1).max(CURSOR_CHARS_MAX).optional().meta({
    description: 'where to go on; "now": only what comes from now on; without it: all that is kept',
  }),
});

const facts = {
  id: messageId,
  originator: guidOrBoot,
  broadcast_timestamp: seconds,
  expires_at: seconds,
  members: z.int().meta({ description: 'live members when the beacon first heard of it, the originator included' }),
  received: z.int().meta({ description: 'how many of them have it' }),
  missing: z.int().meta({ description: 'how many of them have it not' }),
  t50: reached.meta({ description: 'until 50 % of `members` had it; null: not yet' }),
  t95: reached,
  t100: reached,
  hops_max: z.int(),
  hops_mean: z.number(),
  duplicates: z.int().meta({ description: 'deliveries to who had it already' }),
};

export const coverage = z.object(facts).meta({ id: 'Coverage' });

export const coveragePage = z
  .object({ messages: z.array(coverage), next: z.string().nullable() })
  .meta({ id: 'CoveragePage', description: 'newest first' });

export const coverageDetail = z
  .object({
    ...facts,
    receipts: z
      .array(
        z.object({
          guid,
          after: duration,
          hops: z.int(),
          from: guidOrBoot.nullable().meta({ description: 'who delivered it; null: nobody, or it is not known' }),
        }),
      )
      .max(BEACON_SHOWN_MAX)
      .meta({ description: 'those who had it first are first; who joined later is among them' }),
    missing_guids: z.array(guid).max(BEACON_SHOWN_MAX),
  })
  .meta({ id: 'CoverageDetail' });

const aggregate = z
  .object({
    messages: z.int().meta({ description: 'of members, none under way' }),
    deliveries: z.int(),
    duplicates: z.int(),
    complete: z.int().meta({ description: 'messages that reached all' }),
    coverage: z.number().nullable().meta({ description: 'mean of received / members' }),
    t50: duration.nullable().meta({ description: 'median, to 2 %' }),
    t95: duration.nullable(),
    t100: duration.nullable(),
    t95_p95: duration.nullable(),
    hops_max: z.int(),
    deliveries_per_member: z
      .number()
      .nullable()
      .meta({ description: 'mean of (deliveries + duplicates) / (members - 1): 1 is healthy' }),
  })
  .meta({ id: 'CoverageAggregate' });

export const beaconSummary = z
  .object({
    time: seconds,
    network: z.string(),
    members: z.int().meta({ description: 'live members, as it was told last' }),
    hour: aggregate,
    day: aggregate,
    kept: z.object({ messages: z.int(), oldest: seconds.nullable() }),
  })
  .meta({ id: 'BeaconSummary' });

export const beaconReport = z
  .object({
    instance: z.string().min(1).max(INSTANCE_CHARS_MAX).meta({ description: 'one life of the reporter' }),
    number: z.int().min(0).meta({ description: 'of the report in that life: one that comes twice counts once' }),
    after: mempoolCursor,
    through: mempoolCursor,
    live: z
      .array(z.tuple([guid, guid]))
      .max(REPORT_INTERVALS_MAX)
      .meta({ description: 'GUIDs that the caller takes for live members, ascending, as closed intervals' }),
    receipts: z
      .array(
        z.object({
          id: messageId,
          originator: guidOrBoot,
          broadcast_timestamp: seconds,
          expires_at: seconds,
          received_at: seconds,
          hops: z.int().min(0).max(HOPS_SHOWN_MAX),
          from: guidOrBoot.nullable(),
        }),
      )
      .max(REPORT_RECEIPTS_MAX),
    duplicates: z.array(z.tuple([messageId, z.int().min(1).max(DUPLICATES_MAX)])).max(REPORT_DUPLICATES_MAX),
  })
  .meta({ id: 'BeaconReport', description: 'what the caller itself has had since its last report' });

export const beaconHeard = z.object({ heard: mempoolCursor, kept: mempoolCursor }).meta({
  id: 'BeaconHeard',
  description: 'cursors of the caller’s mempool up to which the beacon has heard, and stored',
});
