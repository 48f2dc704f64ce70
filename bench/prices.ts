// What a delivery costs in dollars, by the one table of prices that there is.
import { PRICES } from '../dashboard/state/prices.ts';

/** What one delivery uses. */
export interface Used {
  readonly rows: number;
  readonly queueOperations: number;
  readonly requests: number;
}

/** Dollars per million deliveries. */
export function dollarsPerMillion({ rows, queueOperations, requests }: Used): number {
  return rows * PRICES.rowsWritten + queueOperations * PRICES.queueOperations + requests * PRICES.objectRequests;
}
