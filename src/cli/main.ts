#!/usr/bin/env node
// The `pychain` command: arguments in, exit code out. What commands do is in the files that they are named after, which are loaded when they are
// given: most need little of the rest.
import { Command, CommanderError } from 'commander';
import { VERSION } from '../api/version.ts';
import { LOG_NAMES } from '../protocol/log-events.ts';
import type { BeaconArguments } from './beacon.ts';
import type { BootOptions, ExportOptions, ImportOptions } from './boot.ts';
import type { BroadcastOptions } from './broadcast.ts';
import type { DoctorOptions } from './doctor.ts';
import { CliError, errorLine, EXIT, type ExitCode } from './errors.ts';
import type { LeaveOptions } from './leave.ts';
import type { NodeArguments } from './node.ts';
import type { QueryOptions, TailArguments } from './queries.ts';
import type { ServerArguments } from './server.ts';
import {
  DEFAULT_HOST,
  DEFAULT_LISTEN,
  DEFAULT_NODES,
  DEFAULT_PORT,
  DEFAULT_STOP_SECONDS,
  knownVariables,
} from './settings.ts';
import type { StreamArguments } from './stream.ts';

const EXIT_HELP = `
Exit codes: 0 done; 1 the network refused or failed; 2 wrong arguments or configuration; 3 not reachable.`;

function program(done: (code: ExitCode) => void): Command {
  const root = new Command('pychain')
    .description('A peer-to-peer broadcast network on Cloudflare Workers: run one here, and speak to one anywhere.')
    .version(VERSION, '--version', 'print the version')
    .exitOverride()
    // Told by main(), in the words of all commands.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', EXIT_HELP);
  addUp(root, done);
  addNode(root, done);
  addQueries(root, done);
  addTrace(root, done);
  addDoctor(root, done);
  addBroadcast(root, done);
  addLeave(root, done);
  addBoot(root, done);
  return root;
}

const collect = (value: string, before: string[]) => [...before, value];
const SET_VARIABLE = 'set a variable, before the environment; repeat for more';

function addUp(root: Command, done: (code: ExitCode) => void): void {
  root
    .command('up')
    .description('run a local network: a boot node and nodes, in workerd')
    .argument('[nodes]', `number of nodes (default: NODE_COUNT, that of earlier runs, or ${DEFAULT_NODES})`)
    .option('-e, --env <NAME=VALUE>', SET_VARIABLE, collect, [])
    .option(
      '--deployments <count>',
      'as many deployments of so many nodes each, on ports of their own (default: that of earlier runs, or 1)',
    )
    .option(
      '--port <port>',
      'where to listen, and from there on with --deployments; 0 for any free port',
      String(DEFAULT_PORT),
    )
    .option('--host <address>', 'where to listen', DEFAULT_HOST)
    .option('--fresh', 'forget the state of earlier runs first', false)
    .option('--json', 'one JSON object per line', false)
    .addHelpText('after', `\nVariables: ${knownVariables().join(', ')}`)
    .action(
      async (
        nodes: string | undefined,
        options: { env: string[]; deployments?: string; port: string; host: string; fresh: boolean; json: boolean },
      ) => {
        const { env: variables, deployments, ...rest } = options;
        done(await (await import('./up.ts')).up({ nodes, deployments, variables, ...rest }));
      },
    );
}

/** What commander makes of a server's options. */
type Given<Arguments> = Omit<Arguments, 'variables'> & { env: string[] };

function addNode(root: Command, done: (code: ExitCode) => void): void {
  asServer(root.command('node').description('run a node of a network elsewhere, in a process of its own'))
    .option('--boot <url>', 'the network that it joins (default: BOOT_NODE)')
    .option('--leave-on-exit', 'leave the network when stopped, and come back at the next start', false)
    .option('--seed-host <host>', 'with ADMISSION=open: how clients of the original reach it, on port 80')
    .action(async ({ env: variables, ...rest }: Given<NodeArguments>) =>
      done(await (await import('./node.ts')).runNode({ variables, ...rest })),
    );
}

function asServer(command: Command): Command {
  return command
    .option('--address <url>', 'where others reach it (default: PUBLIC_URL)')
    .option('--listen <address:port>', 'where it listens; port 0 for any free one', DEFAULT_LISTEN)
    .option('-e, --env <NAME=VALUE>', SET_VARIABLE, collect, [])
    .option('--stop-seconds <seconds>', 'how long a stop may deliver what is owed', DEFAULT_STOP_SECONDS)
    .option('--client-header <name>', 'header in which a proxy in front says who calls, such as X-Real-IP')
    .option('--json', 'one JSON object per line', false)
    .addHelpText('after', `\nVariables: ${knownVariables().join(', ')}`);
}

const NODE = 'number of a node, from 1';
const ONE = ' (default: 1, or the node that --url is of)';
const TOKEN = 'admin token (default: PYCHAIN_ADMIN_TOKEN, ADMIN_TOKEN, or that of the local network)';

function addQueries(root: Command, done: (code: ExitCode) => void): void {
  onNetwork(root.command('status').description('who a node is, and how it fares'))
    .argument('[node]', `${NODE}, or boot${ONE}`)
    .action(async (node: string | undefined, options: QueryOptions) =>
      done(await (await import('./queries.ts')).status(node, options)),
    );
  onNetwork(root.command('peers').description('the members that a node knows, and what it thinks of them'))
    .argument('[node]', `${NODE}, or boot${ONE}`)
    .action(async (node: string | undefined, options: QueryOptions) =>
      done(await (await import('./queries.ts')).peers(node, options)),
    );
  onNetwork(root.command('messages').description('the messages that a node has, oldest first'))
    .argument('[node]', `${NODE}${ONE}`)
    .option('--limit <count>', 'only the newest')
    .action(async (node: string | undefined, options: QueryOptions & { limit?: string }) =>
      done(await (await import('./queries.ts')).messages(node, options)),
    );
  onNetwork(root.command('stream').description('the messages of a node as they come, until Ctrl-C'))
    .argument('[node]', `${NODE}${ONE}`)
    .option('--cursor <cursor>', 'where to begin: oldest, now, or the cursor that --json told', 'now')
    .option('--event <name>', 'only events of this name; may be given several times', collect, [])
    .action(async (node: string | undefined, options: StreamArguments) =>
      done(await (await import('./stream.ts')).stream(node, options)),
    );
  onNetwork(root.command('beacon').description('how messages come through: the recent ones, or one with its curve'))
    .argument('[id]', 'id of a message, or how it begins')
    .option('--limit <count>', 'how many of the recent ones', '20')
    .action(async (id: string | undefined, options: BeaconArguments) =>
      done(await (await import('./beacon.ts')).beacon(id, options)),
    );
  root
    .command('tail')
    .description('follow the logs of a local network, or with --url what nodes elsewhere log')
    .argument('[node]', `${NODE}, boot or worker (default: all)`)
    .option('--url <url>', 'a deployment, or one node on a server of its own, that is asked over HTTP')
    .option('--token <token>', TOKEN)
    .option('--log <name>', `only ${LOG_NAMES.join(', ')}`)
    .option('-n, --lines <count>', 'lines to show of what is there', '10')
    .option('--no-follow', 'end after the lines that are there')
    .option('--json', 'one JSON object per line', false)
    .action(async (node: string | undefined, options: TailArguments) =>
      done(await (await import('./queries.ts')).tail(node, options)),
    );
}

function addTrace(root: Command, done: (code: ExitCode) => void): void {
  onNetwork(root.command('trace').description('the way of a message: who had it from whom, when'))
    .argument('<id>', 'the id of a message, or its first 8 characters or more')
    .action(async (id: string, options: QueryOptions) => done(await (await import('./trace.ts')).trace(id, options)));
}

function addDoctor(root: Command, done: (code: ExitCode) => void): void {
  const what =
    'look a running network over: what is wrong with it, and what to do; exit code 1 where there is a problem';
  onNetwork(root.command('doctor').description(what))
    .argument('[url]', 'the same as --url')
    .option('--probe', 'send a small message, to see that it reaches all; needs the token', false)
    .option('--timeout <seconds>', 'for each question', '5')
    .option('--token <token>', TOKEN)
    .action(async (url: string | undefined, options: DoctorOptions & { readonly url?: string }) =>
      done(await (await import('./doctor.ts')).doctor(url ?? options.url, options)),
    );
}

function addBroadcast(root: Command, done: (code: ExitCode) => void): void {
  onNetwork(root.command('broadcast').description('give a message to a node, for all; prints its id'))
    .argument('<json>', 'a JSON object, or - to read it from standard input')
    .option('--from <node>', `${NODE}: the originator${ONE}`)
    .option('--event <name>', 'send an event; the JSON object holds its arguments')
    .option('--ttl <seconds>', "how long mempools keep it (default: the network's MESSAGE_TTL)")
    .option('--idempotency-key <key>', 'the same key gives the same message, not another')
    .option('--wait', 'wait until all nodes have it; exit code 0 only if they do')
    .option('--timeout <seconds>', 'how long --wait waits (default: 30)')
    .option('--token <token>', TOKEN)
    .action(async (json: string, options: BroadcastOptions) =>
      done(await (await import('./broadcast.ts')).broadcast(json, options)),
    );
}

function addLeave(root: Command, done: (code: ExitCode) => void): void {
  onNetwork(root.command('leave').description('have a node leave the network; what it has accepted still reaches all'))
    .argument('[node]', `${NODE}; not for --url of one node`)
    .option('--token <token>', TOKEN)
    .action(async (node: string | undefined, options: LeaveOptions) =>
      done(await (await import('./leave.ts')).leave(node, options)),
    );
  onNetwork(root.command('return').description('have a node that left come back, with its GUID'))
    .argument('[node]', `${NODE}; not for --url of one node`)
    .option('--token <token>', TOKEN)
    .action(async (node: string | undefined, options: LeaveOptions) =>
      done(await (await import('./leave.ts')).comeBack(node, options)),
    );
}

function addBoot(root: Command, done: (code: ExitCode) => void): void {
  const boot = root
    .command('boot')
    .description('run the boot node of a network, and keep what it has given, so that no GUID is given twice');
  const operate = (name: string) => onNetwork(boot.command(name)).option('--token <token>', TOKEN);
  asServer(boot.command('serve').description('run the boot node of a network, in a process of its own')).action(
    async ({ env: variables, ...rest }: Given<ServerArguments>) =>
      done(await (await import('./boot-serve.ts')).serveBoot({ variables, ...rest })),
  );
  operate('export')
    .description('write a backup of all allocations, as JSON lines')
    .option('--out <file>', 'where to; only its owner can read it (default: standard output)')
    .option('--with-key', "with the network's private key, without which a lost boot node cannot be restored: a secret")
    .action(async (options: ExportOptions) => done(await (await import('./boot.ts')).exportBackup(options)));
  operate('import')
    .description('restore a backup; what is there and newer stays, and it may be done again')
    .argument('<file>', 'a file that export wrote')
    .option('--dry-run', 'only tell what it would do')
    .action(async (file: string, options: ImportOptions) =>
      done(await (await import('./boot.ts')).importBackup(file, options)),
    );
  operate('floor')
    .description('give no GUID up to this one: for a boot node that lost its storage and cannot ask all of its nodes')
    .argument('<guid>', 'the highest GUID that is known to be given')
    .action(async (guid: string, options: BootOptions) =>
      done(await (await import('./boot.ts')).raiseFloor(guid, options)),
    );
}

function onNetwork(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'the deployment, or one node on a server of its own (default: PYCHAIN_URL, or the one that runs on STORAGE_DIR)',
    )
    .option('--json', 'JSON, one object per line', false);
}

async function main(): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  try {
    await program((result) => {
      code = result;
    }).parseAsync();
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (error instanceof CommanderError) {
      // `pychain`, or `pychain boot`, alone has shown its help, which commander counts as an error.
      if (error.code !== 'commander.help')
        process.stderr.write(`${errorLine(error).replace(/^error: /, 'pychain: ')}; see pychain --help\n`);
      return EXIT.usage;
    }
    const lines = error instanceof CliError ? error.message.split('\n') : [errorLine(error)];
    for (const line of lines) process.stderr.write(`pychain: ${line}\n`);
    return error instanceof CliError ? error.exitCode : EXIT.failed;
  }
}

// `pychain messages | head` closes our output early, which is no fault of anybody's.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

process.exitCode = await main();
