// Prices of the platform over its $5 plan, dollars per million: docs/cost.md, "In dollars", read on 2026-11-22.
export const PRICES = {
  rowsWritten: 1,
  queueOperations: 0.4,
  objectRequests: 0.15,
} as const;

export const PRICES_READ_ON = '2026-11-22';
