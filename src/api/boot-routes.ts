// What the boot node answers besides the common routes: it admits members. It keeps no messages.
import { Hono, type Context } from 'hono';
import type { JoinError } from '../protocol/boot.ts';
import { refuseSeedJoin } from './body.ts';
import type { BootEnv } from './env.ts';
import { ask } from './failures.ts';
import { invalidInput, ProblemError } from './problem.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { joinedView } from './views.ts';

/** GUIDs are never given twice, so a full network stays full until its operator does something. */
const FULL_RETRY_SECONDS = '3600';

const putJoin = defineRoute({
  method: 'put',
  path: '/network/join',
  summary: 'Admit a member: the same key has the same GUID for ever',
  before: refuseSeedJoin(),
  // Until joiners prove that they have the key.
  isOperatorCall: true,
  body: schemas.joinRequest,
  responses: {
    200: json(schemas.joinAnswer, 'the GUID, and members'),
    ...refusals(400, 401, 403, 413, 415, 422, 503),
  },
});

/** The routes of the boot node alone. Middleware of the app sets `boot`. */
export const bootRoutes: readonly Endpoint<BootEnv>[] = [
  serve(putJoin, async (c, { body }) => {
    const { public_key: publicKey, address } = body;
    const joined = await ask(() => c.var.boot.join(publicKey, address));
    if (!joined.ok) throw refusalOf(joined.error);
    return c.json(joinedView(joined.value), 200);
  }),
];

/** Tells who looks for messages at the boot node where they are. */
export function messageRefusals(): Hono {
  const app = new Hono();
  for (const path of ['/messages', '/messages/*', '/broadcast']) app.all(path, refuseMessages);
  return app;
}

function refuseMessages(c: Context): never {
  const rest = c.req.path.replace(/^\/api\/v1/, '');
  throw new ProblemError('not-at-boot-node', `the boot node keeps no messages: ask a node, /n/<slot>/api/v1${rest}`);
}

function refusalOf(error: JoinError): ProblemError {
  switch (error.reason) {
    case 'bad-key':
      return invalidInput('body', [{ path: 'public_key', message: 'not an Ed25519 public key' }]);
    case 'bad-address':
      return invalidInput('body', [{ path: 'address', message: 'not an address' }]);
    case 'network-full':
      return new ProblemError('network-full', `the network has ${error.max} members, and takes no more`, {
        headers: { 'Retry-After': FULL_RETRY_SECONDS },
      });
  }
}
