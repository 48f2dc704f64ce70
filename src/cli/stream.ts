// `pychain stream`: a node's messages as they come, for as long as somebody looks.
import { PychainClient, PychainError, type StreamEvent } from '../client/client.ts';
import { CliError, EXIT, printable, type ExitCode } from './errors.ts';
import { messageLine, type QueryOptions } from './queries.ts';
import { stopOnSignals } from './signals.ts';
import { findNode } from './target.ts';

export interface StreamArguments extends QueryOptions {
  readonly cursor: string;
  readonly event: readonly string[];
}

/** Prints what comes until a signal ends it. Lost connections are told on standard error, and taken up again. */
export async function stream(text: string | undefined, options: StreamArguments): Promise<ExitCode> {
  const { client, node } = await findNode(text, { isBootAllowed: false, slot: 1 }, options, process.env);
  const url = node === 'own' ? client.url : `${client.url}/n/${node}`;
  const signal = stopOnSignals(() => undefined);
  const cursor = options.cursor === 'oldest' ? undefined : options.cursor;
  try {
    for await (const event of new PychainClient({ url }).stream({ cursor, events: options.event, signal })) {
      show(event, options.json);
    }
  } catch (cause) {
    if (cause instanceof PychainError) throw new CliError(`${url}: ${printable(cause.message)}`);
    throw cause;
  }
  return EXIT.ok;
}

function show(event: StreamEvent, isJson: boolean): void {
  switch (event.type) {
    case 'messages':
      for (const message of event.messages) {
        process.stdout.write(
          `${isJson ? JSON.stringify({ ...message, cursor: event.cursor }) : messageLine({ ...message })}\n`,
        );
      }
      return;
    case 'gap':
      return tell(`${event.missed ?? 'some'} messages were gone before they could be read`);
    case 'disconnected':
      return tell(`${printable(event.error.message)}; next try in ${event.retryMs / 1000} s`);
    case 'connected':
      return;
  }
}

function tell(line: string): void {
  process.stderr.write(`pychain: ${line}\n`);
}
