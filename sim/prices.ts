// Published prices, in dollars over the $5 plan, as PLATFORM.md section 2 has them (read on 2026-11-22 from Cloudflare's documentation: workers/platform/pricing,
// durable-objects-pricing, queues_pricing). What the plan includes (1 M requests to objects, 50 M rows a month) is not taken off.
export const PRICES = {
  rowsWrittenMillion: 1,
  objectRequestsMillion: 0.15,
} as const;
