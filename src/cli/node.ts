// `pychain node`: a node of a network elsewhere, in a process of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { PeerNode } from '../peer/node.ts';
import { CliError, EXIT, type ExitCode } from './errors.ts';
import { checkServer, runServer, type Say, type ServerArguments } from './server.ts';

const JOIN_POLL_MS = 50;

/** Arguments of `pychain node`, as given. */
export interface NodeArguments extends ServerArguments {
  readonly boot?: string | undefined;
  readonly leaveOnExit: boolean;
}

/** Runs a node until a signal ends it. */
export async function runNode(args: NodeArguments): Promise<ExitCode> {
  const text = args.boot ?? (process.env['BOOT_NODE'] || undefined);
  const example = 'for example --boot https://network.example.org';
  if (text === undefined) {
    throw new CliError(`--boot: give the URL of the network that the node joins, ${example}`, EXIT.usage);
  }
  const checked = checkServer(args, 'this node, for example --address https://me.example.org');
  const boot = bootUrl(text, checked.options.config.protocol.localPeers);
  return await runServer(args, checked, 'node', async (options, say, ended) => {
    const peer = await PeerNode.start({ ...options, boot });
    void tellJoined(peer, say, ended);
    return {
      port: peer.port,
      facts: { boot },
      stop: (withinMs) => peer.stop({ leave: args.leaveOnExit, withinMs }),
    };
  });
}

/** A join may take a while, and the log has why. */
async function tellJoined(peer: PeerNode, say: Say, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await sleep(JOIN_POLL_MS, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return;
    const { guid, address } = await peer.status();
    if (guid !== null) return say('joined', { guid, address });
  }
}

/** Over plain http anybody on the way could be the boot node. */
function bootUrl(text: string, localPeers: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && localPeers);
  if (url && isPlain && isSafe) return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  throw new CliError(`--boot ${text}: give an https URL (http only with -e LOCAL_PEERS=on)`, EXIT.usage);
}
