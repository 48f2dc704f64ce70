// Leaving the network and coming back: an operator's calls to a node of the ring.
import type { NodeEnv } from './env.ts';
import { ask } from './failures.ts';
import { refusalOf } from './originate-routes.ts';
import { json, refusals } from './responses.ts';
import { defineRoute, serve, type Endpoint } from './route.ts';
import * as schemas from './schemas.ts';
import { membershipView } from './views.ts';

const postLeave = defineRoute({
  method: 'post',
  path: '/network/leave',
  summary: 'Have this node leave the network: it tells all, and hands over what it owes',
  isOperatorCall: true,
  responses: { 200: json(schemas.membership, 'it has left'), ...refusals(401, 403, 503) },
});

const postReturn = defineRoute({
  method: 'post',
  path: '/network/return',
  summary: 'Have this node come back, with its GUID',
  isOperatorCall: true,
  responses: { 200: json(schemas.membership, 'it is coming back'), ...refusals(401, 403, 503) },
});

/** Middleware of the app sets `node`. */
export const leaveRoutes: readonly Endpoint<NodeEnv>[] = [
  serve(postLeave, async (c) => {
    const left = await ask(() => c.var.node.leave());
    // Who asks twice wants what is so.
    if (!left.ok && left.error.reason !== 'left') throw refusalOf(left.error);
    return c.json(membershipView(await ask(() => c.var.node.status())), 200);
  }),

  serve(postReturn, async (c) => {
    await ask(() => c.var.node.return());
    return c.json(membershipView(await ask(() => c.var.node.status())), 200);
  }),
];
