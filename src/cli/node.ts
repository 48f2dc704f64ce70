// `pychain node`: a node of a network elsewhere, in a process of its own.
import type { Config } from '../config.ts';
import { PeerNode, type PeerOptions } from '../peer/node.ts';
import { readBootUrl } from '../peer/options.ts';
import { SEED_PORT } from '../api/seed-adapter.ts';
import type { Log } from '../shell/log.ts';
import { CliError, EXIT, printable, type ExitCode } from './errors.ts';
import { checkServer, runServer, type Say, type ServerArguments } from './server.ts';

const PORT_MAX = 65_535;
const COMPLAINT_MS = 60_000;
const SEED_HOST = /^((?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63})(?::(\d{1,5}))?$/i;

/** Arguments of `pychain node`, as given. */
export interface NodeArguments extends ServerArguments {
  readonly boot?: string | undefined;
  readonly leaveOnExit: boolean;
  readonly seedHost?: string | undefined;
}

/** Runs a node until a signal ends it. */
export async function runNode(args: NodeArguments): Promise<ExitCode> {
  const text = args.boot ?? (process.env['BOOT_NODE'] || undefined);
  const example = 'for example --boot https://network.example.org';
  if (text === undefined) {
    throw new CliError(`--boot: give the URL of the network that the node joins, ${example}`, EXIT.usage);
  }
  const checked = checkServer(args, 'this node, for example --address https://me.example.org');
  const read = readBootUrl(text, checked.options.config.protocol.localPeers);
  if (!read.ok) throw new CliError(`--boot ${text}: ${read.error}`, EXIT.usage);
  const boot = read.value;
  const seed = seedOf(args.seedHost, checked.options.config);
  return await runServer(args, checked, 'node', async (options, say, ended) => {
    const complain = joinComplaints((line) => process.stderr.write(`pychain: ${line}\n`), Date.now);
    const log: Log = (...line) => {
      options.log(...line);
      if (line[0] === 'join_failed') complain(line[1].reason);
    };
    const peer = await PeerNode.start({ ...options, log, boot, ...(seed && { seed }) });
    void tellJoined(peer, say, ended);
    return {
      port: peer.port,
      facts: { boot },
      stop: (withinMs) => peer.stop({ leave: args.leaveOnExit, withinMs }),
    };
  });
}

/** Tells why a node cannot join: at once where the reason is another than before, and else once a minute, for it tries again and again. */
export function joinComplaints(write: (line: string) => void, now: () => number): (reason: string) => void {
  let told = { reason: '', at: -Infinity };
  return (reason) => {
    if (reason === told.reason && now() - told.at < COMPLAINT_MS) return;
    told = { reason, at: now() };
    write(`the join failed, and is tried again: ${printable(reason)}`);
  };
}

/** Says so when it has joined, which may take a while. */
async function tellJoined(peer: PeerNode, say: Say, ended: AbortSignal): Promise<void> {
  const guid = await peer.joined(ended).catch(() => null);
  if (guid !== null && !ended.aborted) say('joined', { guid, address: (await peer.status()).address });
}

/** Where clients of the original reach the node: they know addresses without a scheme, a port or a path, and their own port alone. */
function seedOf(text: string | undefined, { admission, protocol }: Config): PeerOptions['seed'] | null {
  if (text === undefined) {
    if (admission === 'signed') return null;
    throw new CliError(`ADMISSION=open: give --seed-host too, for example --seed-host 203.0.113.7`, EXIT.usage);
  }
  const [, host = '', port] = SEED_HOST.exec(text) ?? [];
  const isPort = port === undefined || (protocol.localPeers && Number(port) >= 1 && Number(port) <= PORT_MAX);
  if (admission === 'open' && host !== '' && isPort) return { host, port: Number(port ?? SEED_PORT) };
  const allowed = 'with -e ADMISSION=open, an IPv4 address or a host name that leads to one';
  throw new CliError(`--seed-host ${text}: give, ${allowed} (a port only with -e LOCAL_PEERS=on)`, EXIT.usage);
}
