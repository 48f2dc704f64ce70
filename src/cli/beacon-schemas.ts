// What commands need of the beacon's answers; more keys are fine.
import { z } from 'zod';

const time = z.number().nullable();

const facts = {
  id: z.string(),
  originator: z.number(),
  broadcast_timestamp: z.number(),
  members: z.number(),
  received: z.number(),
  missing: z.number(),
  t50: time,
  t95: time,
  t100: time,
  hops_max: z.number(),
  hops_mean: z.number(),
  duplicates: z.number(),
};

export const coverageSchema = z.looseObject(facts);
export type CoverageRecord = z.infer<typeof coverageSchema>;

export const coveragePageSchema = z.object({ messages: z.array(coverageSchema), next: z.string().nullable() });
export type CoveragePage = z.infer<typeof coveragePageSchema>;

export const coverageDetailSchema = z.looseObject({
  ...facts,
  receipts: z.array(
    z.looseObject({ guid: z.number(), after: z.number(), hops: z.number(), from: z.number().nullable() }),
  ),
  missing_guids: z.array(z.number()),
});
export type CoverageDetail = z.infer<typeof coverageDetailSchema>;

const aggregateSchema = z.looseObject({
  messages: z.number(),
  deliveries: z.number(),
  duplicates: z.number(),
  complete: z.number(),
  coverage: z.number().nullable(),
  t50: time,
  t95: time,
  t100: time,
  t95_p95: time,
  hops_max: z.number(),
  deliveries_per_member: z.number().nullable(),
});
export type AggregateRecord = z.infer<typeof aggregateSchema>;

export const beaconSummarySchema = z.looseObject({
  time: z.number(),
  network: z.string(),
  members: z.number(),
  hour: aggregateSchema,
  day: aggregateSchema,
});
export type BeaconSummary = z.infer<typeof beaconSummarySchema>;
