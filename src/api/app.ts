// The HTTP API, put together: the boot node at /api/v1, each hosted node at /n/<slot>/api/v1; or a node that has a host of its own, at
// /api/v1. What it asks is behind ports.ts, so the same app runs in the Worker and in a Node.js process.
import { Hono, type MiddlewareHandler } from 'hono';
import { requestId } from 'hono/request-id';
import { backupRoutes } from './backup-routes.ts';
import { beaconRoutes } from './beacon-routes.ts';
import { bootRoutes, messageRefusals } from './boot-routes.ts';
import { commonRoutes } from './common-routes.ts';
import type { ApiConfig, ApiEnv, ApiLog, ApiOptions, BeaconEnv, BootEnv, NodeApiOptions, NodeEnv } from './env.ts';
import { leaveRoutes } from './leave-routes.ts';
import { nodeRoutes } from './node-routes.ts';
import { documentEndpoint } from './openapi.ts';
import { originateRoutes } from './originate-routes.ts';
import type { Gateways, NodeGateway } from './ports.ts';
import { errorHandler, notFoundHandler, ProblemError } from './problem.ts';
import { readCapped } from './read-capped.ts';
import { mount } from './route.ts';
import { streamRoutes } from './stream-routes.ts';
import { ID_CHARS_LOGGED } from '../protocol/log-events.ts';
import { VERSION } from './version.ts';

const BOOT_BASE = '/api/v1';
const NODE_BASE = '/n/:slot/api/v1';
/** Of a node that has a host, or a path, of its own. */
const OWN_BASE = '/api/v1';
/** IPv6 with an embedded IPv4 address. */
const CLIENT_ADDRESS_CHARS_MAX = 45;
const SLOT = /^[1-9][0-9]{0,8}$/;

/** Longest body that is read only to be polite, bytes. */
const DRAINED_BYTES_MAX = 16_384;

const WATCHED = /\/api\/v1\/(status|(beacon\/)?metrics)$/;

/** Of a path, in a log line. */
const PATH_CHARS_MAX = 200;

/** The API over the given gateways. Its `fetch` never throws on what a caller sends. */
export function createApp({ gateways, config, log }: ApiOptions): Hono<ApiEnv> {
  const app = frame(config, log, (path) => nodeName(path, config));
  app.use('/n/:slot/*', chooseNode(gateways, config));
  // Before the boot node's: there may be a beacon without one.
  const ofBeacon = beaconRoutes(config);
  app.use(`${BOOT_BASE}/beacon/*`, chooseBeacon(gateways));
  app.route(BOOT_BASE, mount(ofBeacon, config, log));
  app.use(`${BOOT_BASE}/*`, chooseBoot(gateways));
  const ofBoot = [...bootRoutes(config), ...backupRoutes];
  mountNode(app, NODE_BASE, config, log);
  app.route(BOOT_BASE, mount(commonRoutes, config, log));
  app.route(BOOT_BASE, mount(ofBoot, config, log));
  app.route(BOOT_BASE, mount([documentEndpoint([...commonRoutes, ...ofBoot, ...ofBeacon])], config, log));
  app.route(BOOT_BASE, messageRefusals());
  app.get('/', (c) => {
    const nodes = config.nodeCount === 0 ? [] : [`/n/1/api/v1/status`];
    const boot = gateways.boot === null ? [] : [`${BOOT_BASE}/status`];
    return c.json({ network: config.protocol.network, version: VERSION, see: [...boot, ...nodes] });
  });
  return app;
}

/** The API of one node that has a host of its own: at /api/v1 of it, below `base`. Logged as `node`. */
export function createNodeApp({ node, base, config, log }: NodeApiOptions): Hono<ApiEnv> {
  const app = frame(config, log, () => 'node');
  const own = `${base}${OWN_BASE}`;
  app.use(`${own}/*`, answeredBy(node));
  mountNode(app, own, config, log);
  app.get('/', (c) => c.json({ network: config.protocol.network, version: VERSION, see: [`${own}/status`] }));
  return app;
}

/** What every request goes through. */
function frame(config: ApiConfig, log: ApiLog, nameOf: (path: string) => string): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.onError(errorHandler(log));
  app.notFound(notFoundHandler(() => app.routes));
  app.use(requestId());
  app.use(clientAddress(config));
  app.use(accessLog(nameOf, log));
  app.use(commonHeaders());
  app.use(drainSmallBodies());
  return app;
}

/** All that a node of the ring answers. */
function mountNode(app: Hono<ApiEnv>, base: string, config: ApiConfig, log: ApiLog): void {
  const ofNode = [...nodeRoutes(config), ...originateRoutes(), ...streamRoutes(config), ...leaveRoutes];
  app.route(base, mount(commonRoutes, config, log));
  app.route(base, mount(ofNode, config, log));
  app.route(base, mount([documentEndpoint([...commonRoutes, ...ofNode])], config, log));
}

/** Where a call comes from, cut to what an address has at most: not every header is what the platform put there. */
function clientAddress({ clientAddressHeader }: ApiConfig): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const told = clientAddressHeader === null ? undefined : c.req.header(clientAddressHeader);
    c.set('clientAddress', told?.slice(0, CLIENT_ADDRESS_CHARS_MAX) ?? null);
    await next();
  };
}

/** A line a request at DEBUG, in the log of the node that was asked: above it, a stranger could fill the logs. */
function accessLog(nameOf: (path: string) => string, log: ApiLog): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { method, path } = c.req;
    const name = nameOf(path);
    c.set('nodeName', name);
    await next();
    // Whoever watches asks these all the time; nobody wants to read that.
    if (c.res.ok && WATCHED.test(path)) return;
    const { status } = c.res;
    const fields = { request_id: c.var.requestId, method, path: path.slice(0, PATH_CHARS_MAX), status };
    log(name, 'request', { ...fields, ...originatedBy(c.res) });
  };
}

/** The id of the message that a request made, so that its way can be followed from there. */
function originatedBy({ status, headers }: Response): { message?: string } {
  const id = status === 202 ? headers.get('Location')?.split('/').at(-1) : undefined;
  return id === undefined ? {} : { message: id.slice(0, ID_CHARS_LOGGED) };
}

/** Only nodes that exist have a log: a path may hold any number. */
function nodeName(path: string, config: ApiConfig): string {
  const [, first, slot = ''] = path.split('/');
  if (first === 'n' && SLOT.test(slot) && Number(slot) <= config.nodeCount) return slot;
  return path.startsWith(`${BOOT_BASE}/`) ? 'boot' : 'worker';
}

/** On every answer, refusals too. Pages of all origins may read them: with no cookies, what a page is told anybody is who reaches the node. */
function commonHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    c.res.headers.set('Access-Control-Allow-Origin', '*');
    c.res.headers.set('Access-Control-Expose-Headers', '*');
    c.res.headers.set('Cache-Control', 'no-store');
    c.res.headers.set('X-Content-Type-Options', 'nosniff');
  };
}

/**
 * Reads a small body that a refusal left unread: with it in the pipe the connection is cut, and the caller may never see the
 * refusal. What is larger, or does not say how large it is, is not worth it.
 */
function drainSmallBodies(): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await next();
    const length = Number(c.req.header('Content-Length') ?? Infinity);
    if (c.req.raw.bodyUsed || length === 0 || length > DRAINED_BYTES_MAX) return;
    await readCapped(c.req.raw.body, DRAINED_BYTES_MAX).catch(() => undefined);
  };
}

function chooseNode(gateways: Gateways, config: ApiConfig): MiddlewareHandler<NodeEnv> {
  return async (c, next) => {
    const slot = c.req.param('slot') ?? '';
    const node = SLOT.test(slot) ? gateways.node(Number(slot)) : null;
    if (node === null) {
      const exist = config.nodeCount === 0 ? 'none are hosted here' : `slots 1 to ${config.nodeCount} exist`;
      throw new ProblemError('no-such-slot', `no node at this slot: ${exist}`);
    }
    c.set('node', node);
    c.set('directory', node);
    await next();
  };
}

function answeredBy(node: NodeGateway): MiddlewareHandler<NodeEnv> {
  return async (c, next) => {
    c.set('node', node);
    c.set('directory', node);
    await next();
  };
}

function chooseBeacon(gateways: Gateways): MiddlewareHandler<BeaconEnv> {
  return async (c, next) => {
    if (gateways.beacon === null) throw new ProblemError('no-beacon', 'this deployment has no beacon');
    c.set('beacon', gateways.beacon);
    await next();
  };
}

function chooseBoot(gateways: Gateways): MiddlewareHandler<BootEnv> {
  return async (c, next) => {
    if (gateways.boot === null) throw new ProblemError('no-boot-node', 'this deployment hosts no boot node');
    c.set('boot', gateways.boot);
    c.set('directory', gateways.boot);
    await next();
  };
}
