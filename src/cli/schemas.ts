// What the commands need of the network's answers; more keys are fine.
import { z } from 'zod';
import { LEVELS, LOG_NAMES } from '../protocol/log-events.ts';

export const statusSchema = z.looseObject({
  network: z.string(),
  protocol: z.string(),
  guid: z.number().nullable(),
  address: z.string(),
  max_guid: z.number(),
  time: z.number(),
  peers: z.record(z.string(), z.number()).default({}),
  messages: z.number().default(0),
  last_sync_at: z.number().nullable().default(null),
  next_sync_at: z.number().nullable().default(null),
  left_at: z.number().nullable().default(null),
  certificate: z.looseObject({ issued: z.number(), expires: z.number() }).nullable().optional(),
});
export type NodeStatus = z.infer<typeof statusSchema>;

export const memberSchema = z.looseObject({
  guid: z.number(),
  address: z.string(),
  state: z.string(),
  last_seen: z.number().nullable(),
  failures: z.number(),
});
export type MemberRecord = z.infer<typeof memberSchema>;

export const memberPageSchema = z.object({ members: z.array(memberSchema), next: z.string().nullable() });

export const messageSchema = z.looseObject({
  id: z.string(),
  data: z.record(z.string(), z.unknown()),
  originator: z.object({ guid: z.number(), address: z.string() }),
  broadcast_timestamp: z.number(),
  received_at: z.number(),
  hops: z.number(),
});
export type MessageRecord = z.infer<typeof messageSchema>;

export const messagePageSchema = z.object({ messages: z.array(messageSchema), next: z.string().nullable() });

export const logPageSchema = z.object({
  logs: z.array(
    z.looseObject({
      time: z.number(),
      level: z.enum(LEVELS),
      node: z.string(),
      log: z.enum(LOG_NAMES),
      event: z.string(),
    }),
  ),
  next: z.string().nullable(),
  cursor: z.string(),
  missed: z.boolean(),
});
export type LogPageRecord = z.infer<typeof logPageSchema>;

export const capabilitiesSchema = z.looseObject({
  version: z.string(),
  hosted_nodes: z.number(),
  limits: z.record(z.string(), z.number()),
});

export const acceptedSchema = z.looseObject({ id: z.string(), broadcast_timestamp: z.number() });
export type Accepted = z.infer<typeof acceptedSchema>;

export const membershipSchema = z.looseObject({ guid: z.number().nullable(), left_at: z.number().nullable() });
export type Membership = z.infer<typeof membershipSchema>;

export const backupSchema = z.looseObject({
  network: z.string(),
  network_key: z.string(),
  private_key: z.string().optional(),
  max_guid: z.number(),
  count: z.number(),
  exported_at: z.number(),
});
export type BackupRecord = z.infer<typeof backupSchema>;

/** What else is in it is checked when it is read as a line of a backup. */
export const allocationSchema = z.record(z.string(), z.json());
export type AllocationRecord = z.infer<typeof allocationSchema>;

export const allocationPageSchema = z.object({ allocations: z.array(allocationSchema), next: z.string().nullable() });

export const backupBegunSchema = z.looseObject({ max_guid: z.number(), key_replaced: z.boolean() });
export type BackupBegun = z.infer<typeof backupBegunSchema>;

export const backupCountsSchema = z.object({ new: z.number(), newer: z.number(), kept: z.number() });
export type BackupCounts = z.infer<typeof backupCountsSchema>;

export const floorSchema = z.looseObject({ max_guid: z.number() });
export type Floor = z.infer<typeof floorSchema>;

export const problemSchema = z.looseObject({
  type: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.looseObject({ path: z.string(), message: z.string() })).optional(),
});
