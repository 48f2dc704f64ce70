// Turns what the schemas found wrong into a 422 that names each place.
import type * as z from 'zod';
import { pathText } from '../protocol/scan-json.ts';
import { invalidInput, type InputError } from './problem.ts';

/** More would help nobody, and the answer must not grow with the request. */
const ERRORS_MAX = 20;
const MESSAGE_CHARS_MAX = 256;

/** What the schema makes of the value. Throws the 422; `part` is what it calls this part of the request. */
export function checkInput<Schema extends z.ZodType>(part: string, schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidInput(part, result.error.issues.flatMap(toErrors).slice(0, ERRORS_MAX));
}

function toErrors(issue: z.core.$ZodIssue): InputError[] {
  const path = issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)));
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.slice(0, ERRORS_MAX);
    return keys.map((key) => ({ path: pathText([...path, key]), message: 'no such key' }));
  }
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return [
    { path: pathText(path), message: missing ? 'missing, and needed' : issue.message.slice(0, MESSAGE_CHARS_MAX) },
  ];
}
