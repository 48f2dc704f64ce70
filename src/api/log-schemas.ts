// Shapes of GET /logs.
import * as z from 'zod';
import { LOG_RING_LINES_MAX } from '../protocol/limits.ts';
import { LEVELS, LOG_NAMES } from '../protocol/log-events.ts';
import { pageQuery } from './schemas.ts';

export const logsQuery = pageQuery(LOG_RING_LINES_MAX).extend({
  level: z.enum(LEVELS).optional().meta({ default: 'DEBUG', description: 'the lowest' }),
});

/** A line of a log. What else it has depends on its event: docs/operations.md has the list. */
const logRecord = z
  .looseObject({
    time: z.number(),
    level: z.enum(LEVELS),
    node: z.string(),
    log: z.enum(LOG_NAMES),
    event: z.string(),
  })
  .meta({ id: 'LogRecord' });

export const logPage = z
  .object({
    logs: z.array(logRecord),
    next: z.string().nullable(),
    cursor: z.string().meta({ description: 'where it ends: to go on from, also where there is no next page yet' }),
    missed: z.boolean().meta({ description: 'lines after the given cursor are gone' }),
  })
  .meta({ id: 'LogPage' });
