// `pychain boot serve`: the boot node of a network in a process of its own.
import { PeerBoot } from '../peer/boot.ts';
import type { ExitCode } from './errors.ts';
import { checkServer, runServer, type ServerArguments } from './server.ts';

/** Runs a boot node until a signal ends it. */
export async function serveBoot(args: ServerArguments): Promise<ExitCode> {
  const checked = checkServer(args, 'this boot node, for example --address https://network.example.org');
  return await runServer(args, checked, 'boot', async (options) => {
    const boot = await PeerBoot.start(options);
    const facts = { network: options.config.protocol.network, network_key: await boot.networkKey() };
    return { port: boot.port, facts, stop: (withinMs) => boot.stop(withinMs) };
  });
}
