// Where the network listens: whether it can, checked before anything starts, and what that is as a URL.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, errorCode, errorLine } from './errors.ts';

/** How long a port may still be held by a runner that was just killed. */
const PORT_GRACE_MS = 1_000;

/** The port to listen on: the given one if it is free, any free one for 0. */
export async function freePort(host: string, port: number): Promise<number> {
  const deadline = Date.now() + PORT_GRACE_MS;
  for (;;) {
    try {
      return await tryListen(host, port);
    } catch (error) {
      if (errorCode(error) === 'EADDRINUSE' && Date.now() < deadline) {
        await sleep(50);
        continue;
      }
      throw portError(error, host, port);
    }
  }
}

function tryListen(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(found));
    });
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
