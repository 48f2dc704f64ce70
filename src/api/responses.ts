// Pieces of route descriptions.
import type * as z from 'zod';
import { PROBLEM_TYPE } from './problem.ts';
import type { Answer } from './route.ts';
import { metrics, problem } from './schemas.ts';

/** An answer in JSON. */
export function json<Schema extends z.ZodType>(
  schema: Schema,
  description: string,
): Answer<Schema, 'application/json'> {
  return { description, type: 'application/json', schema };
}

/** Prometheus' text. */
export const prometheus = { description: 'text format 0.0.4', type: 'text/plain', schema: metrics } as const;

const REASONS = {
  400: 'the body is not JSON',
  401: 'a token or signature is missing or wrong',
  403: 'operator calls are switched off, or the joiner is not admitted',
  404: 'not found',
  409: 'it contradicts what is known here',
  413: 'too large',
  415: 'the body is not plain application/json',
  422: 'the input is not valid',
  429: 'too many calls: try again after Retry-After seconds',
  503: 'not now: try again after Retry-After seconds',
} as const;

type Refusal = Answer<typeof problem, typeof PROBLEM_TYPE>;

/** The problems that a route may answer with. */
export function refusals<Status extends keyof typeof REASONS>(...statuses: Status[]): Record<Status, Refusal> {
  const entries = statuses.map((status): [Status, Refusal] => [
    status,
    { description: REASONS[status], type: PROBLEM_TYPE, schema: problem },
  ]);
  return Object.fromEntries(entries) as Record<Status, Refusal>;
}
