// Where the network listens: whether it can, checked before anything starts, and what that is as a URL.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, errorCode, errorLine } from './errors.ts';

/** How long a port may still be held by a runner that was just killed. */
const PORT_GRACE_MS = 1_000;

/**
 * Where any free port is looked for: below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere), one of
 * which might take it before what it is for listens.
 */
export const ANY_PORT = { min: 20_000, max: 32_767 } as const;

/** The port to listen on: the given one if it is free, any free one for 0. Nothing holds it until the caller listens. */
export async function freePort(host: string, port: number): Promise<number> {
  const deadline = Date.now() + PORT_GRACE_MS;
  for (;;) {
    const tried = port === 0 ? randomInt(ANY_PORT.min, ANY_PORT.max + 1) : port;
    try {
      await tryListen(host, tried);
      return tried;
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE' || Date.now() >= deadline) throw portError(error, host, tried);
      if (port !== 0) await sleep(50);
    }
  }
}

function tryListen(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function portError(error: unknown, host: string, port: number): CliError {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new CliError(
        `port ${port} of ${host} is taken; stop what listens there, or give another with --port (0: any)`,
      );
    case 'EACCES':
      return new CliError(`port ${port} of ${host} is not allowed to you; give one above 1023 with --port`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CliError(`--host ${host}: not an address of this computer; give 127.0.0.1, or 0.0.0.0 for all`);
    default:
      return new CliError(`cannot listen on ${host} port ${port}: ${errorLine(error)}`);
  }
}

/** `::1` needs brackets in a URL; the wildcard addresses are reached over loopback. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '*') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
