// What the commands need of the network's answers; more keys are fine.
import { z } from 'zod';

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

export const acceptedSchema = z.looseObject({ id: z.string(), broadcast_timestamp: z.number() });
export type Accepted = z.infer<typeof acceptedSchema>;

export const membershipSchema = z.looseObject({ guid: z.number().nullable(), left_at: z.number().nullable() });
export type Membership = z.infer<typeof membershipSchema>;

export const problemSchema = z.looseObject({
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.looseObject({ path: z.string(), message: z.string() })).optional(),
});
