// Backup and restore of the boot node, for its operator: first the head, then the allocations in pages. From the head of a restore to its
// last allocations no GUID is given; what comes in between may come slowly, or again.
import { readAllocation, writeAllocation } from '../protocol/allocation.ts';
import type { Allocation } from '../protocol/store.ts';
import type { JsonValue } from '../protocol/types.ts';
import * as schemas from './backup-schemas.ts';
import type { BootEnv } from './env.ts';
import { ask } from './failures.ts';
import { invalidInput, ProblemError, unknownCursor, type InputError } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import { PAGE_LIMIT_DEFAULT } from './schemas.ts';

const getBackup = defineRoute({
  method: 'get',
  path: '/boot/backup',
  summary: 'The first part of a backup of the boot node',
  isOperatorCall: true,
  query: schemas.backupQuery,
  responses: { 200: json(schemas.backup, 'the first part'), ...refusals(401, 403, 422, 503) },
});

const putBackup = defineRoute({
  method: 'put',
  path: '/boot/backup',
  summary: 'Begin a restore: no GUID is given until the last allocations have come, and none up to its highest ever',
  isOperatorCall: true,
  query: schemas.restoreQuery,
  body: schemas.restoreRequest,
  responses: {
    200: json(schemas.restoreAnswer, 'what was taken'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 503),
  },
});

const getAllocations = defineRoute({
  method: 'get',
  path: '/boot/allocations',
  summary: 'All GUIDs that were given, in ascending order',
  isOperatorCall: true,
  query: schemas.allocationsQuery,
  responses: { 200: json(schemas.allocationPage, 'a page of allocations'), ...refusals(401, 403, 422, 503) },
});

const putAllocations = defineRoute({
  method: 'put',
  path: '/boot/allocations',
  summary: 'Restore allocations; what is there and newer stays',
  isOperatorCall: true,
  body: schemas.allocationsRequest,
  responses: {
    200: json(schemas.allocationsAnswer, 'how many were what'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 503),
  },
});

const putFloor = defineRoute({
  method: 'put',
  path: '/boot/floor',
  summary: 'Give no GUID up to this one, and wait for no node that does not answer',
  isOperatorCall: true,
  body: schemas.floorRequest,
  responses: {
    200: json(schemas.floorAnswer, 'the highest GUID that is not given again'),
    ...refusals(400, 401, 403, 409, 413, 415, 422, 503),
  },
});

/** What an operator does to keep a boot node's GUIDs safe. Middleware of the app sets `boot`. */
export const backupRoutes: readonly Endpoint<BootEnv>[] = [
  serve(getBackup, async (c, { query }) => {
    const { privateKey, ...head } = await ask(() => c.var.boot.backup(query.with_key === 'true'));
    const secret = privateKey === null ? {} : { private_key: privateKey };
    const view = { network: head.network, network_key: head.networkKey, ...secret, max_guid: head.maxGuid };
    return c.json({ ...view, count: head.count, exported_at: head.exportedAt / 1000 }, 200);
  }),

  serve(putBackup, async (c, { query, body }) => {
    const { network, network_key: networkKey, private_key: privateKey = null, max_guid: maxGuid } = body;
    const head = { network, networkKey, privateKey, maxGuid };
    const restored = await ask(() => c.var.boot.beginRestore(head, query.dry_run === 'true'));
    if (!restored.ok) throw refused([{ path: restored.error.field, message: restored.error.message }]);
    return c.json({ max_guid: restored.value.maxGuid, key_replaced: restored.value.keyReplaced }, 200);
  }),

  serve(getAllocations, async (c, { query }) => {
    const page = await ask(() => c.var.boot.allocations(query.cursor ?? null, query.limit ?? PAGE_LIMIT_DEFAULT));
    if (!page) throw unknownCursor();
    return c.json({ allocations: page.allocations.map(writeAllocation), next: page.next }, 200);
  }),

  serve(putAllocations, async (c, { body }) => {
    const allocations = body.allocations.map((told, index) => toAllocation(told, index));
    const restored = await ask(() => c.var.boot.restore(allocations, body.last ?? false));
    if (restored.ok) return c.json({ ...restored.value }, 200);
    const { index, field, message } = restored.error;
    throw refused([{ path: `allocations[${index}].${field}`, message }]);
  }),

  serve(putFloor, async (c, { body }) => {
    const raised = await ask(() => c.var.boot.raiseFloor(body.max_guid));
    if (!raised.ok) throw refused([{ path: raised.error.field, message: raised.error.message }]);
    return c.json({ max_guid: raised.value.maxGuid }, 200);
  }),
];

/** The protocol is stricter than the schema with keys, and names what it wants by the same fields. */
function toAllocation(told: { readonly [key: string]: JsonValue }, index: number): Allocation {
  const read = readAllocation(told);
  if (read.ok) return read.value;
  throw invalidInput('body', [{ path: `allocations[${index}].${read.error.field}`, message: read.error.message }]);
}

function refused(errors: readonly InputError[]): ProblemError {
  return new ProblemError('backup-refused', 'the backup contradicts what this boot node has', { errors });
}
