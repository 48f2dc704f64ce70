// What Cloudflare charges over the $5 plan, dollars per million. Read on 2026-11-22: pages "Durable Objects pricing" and "Queues pricing" of
// developers.cloudflare.com.
export const ROWS_WRITTEN = 1;
export const QUEUE_OPERATIONS = 0.4;
export const OBJECT_REQUESTS = 0.15;

export interface Used {
  readonly rows: number;
  readonly queueOperations: number;
  readonly requests: number;
}

/** Dollars per million deliveries, from what one delivery uses. */
export function dollarsPerMillion({ rows, queueOperations, requests }: Used): number {
  return rows * ROWS_WRITTEN + queueOperations * QUEUE_OPERATIONS + requests * OBJECT_REQUESTS;
}
