// What a reader of the stream asks for.
import * as z from 'zod';
import { utf8Length } from '../protocol/canonical.ts';
import { STREAM_EVENTS_BYTES_MAX, STREAM_EVENTS_MAX } from '../protocol/limits.ts';
import { CURSOR_CHARS_MAX, EVENT_NAME_CHARS_MAX } from './schemas.ts';

/** The one way to give a name once and to give several. */
const eventNames = z
  .union([z.string(), z.array(z.string())])
  .transform((names) => (typeof names === 'string' ? [names] : names))
  .pipe(
    z
      .array(z.string().min(1).max(EVENT_NAME_CHARS_MAX))
      .max(STREAM_EVENTS_MAX)
      .refine(
        (names) => utf8Length(names.join('')) <= STREAM_EVENTS_BYTES_MAX,
        `expected ${STREAM_EVENTS_BYTES_MAX} bytes at most, all names together`,
      ),
  );

export const streamQuery = z.object({
  cursor: z.string().min(1).max(CURSOR_CHARS_MAX).optional().meta({
    description: 'where to go on; "now": only what comes from now on; without it: from the oldest on',
  }),
  event: eventNames.optional().meta({ description: 'only messages whose event has this name; may be given again' }),
});
export const streamHeaders = z.object({
  'upgrade': z.string().optional().meta({ description: '"websocket" for a WebSocket' }),
  'last-event-id': z.string().max(CURSOR_CHARS_MAX).optional().meta({ description: 'goes before `cursor`' }),
});
export const eventStream = z
  .string()
  .meta({ description: 'each event’s data is a frame of the stream in JSON, its id a cursor: docs/protocol.md' });
