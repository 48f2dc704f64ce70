// Messages that are broadcast together.
import * as z from 'zod';
import { ORIGINATIONS_MAX } from '../protocol/limits.ts';
import { messageAnswer, messageRequest } from './schemas.ts';

export const batchRequest = z
  .strictObject({ messages: z.array(messageRequest).min(1).max(ORIGINATIONS_MAX) })
  .meta({ id: 'BatchRequest', description: 'the messages, in the order in which readers of this node see them' });

export const batchAnswer = z
  .object({ messages: z.array(messageAnswer) })
  .meta({ id: 'BatchAnswer', description: 'in the order of the request' });
