// Gives the application a batch of messages: the same request to a service binding and to a webhook, which alone has to be signed.
import { messageView } from '../api/views.ts';
import { webhookHeaders } from '../crypto/webhook-signature.ts';
import { hashOf } from '../protocol/canonical.ts';
import { HANDLER_MS_MAX } from '../protocol/limits.ts';
import type { Guid, StoredMessage } from '../protocol/types.ts';

/** A service binding is called by any URL; this is one that tells what it is. */
const BINDING_URL = 'https://handler/messages';

/** Whose messages they are. */
export interface HandlerSource {
  readonly network: string;
  readonly guid: Guid | null;
  readonly address: string;
}

/** Gives the application a batch. Resolves when it has taken all of it; else rejects with the reason, and the same comes again. */
export type Handle = (source: HandlerSource, messages: readonly StoredMessage[]) => Promise<void>;

export interface HandlerTarget {
  /** Null: a service binding. */
  readonly webhook: { readonly url: string; readonly secret: string } | null;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Unix milliseconds. */
  now(): number;
}

/** Resolves when the application has taken all of the batch: answered 2xx, in time. Else rejects with the reason. */
export async function giveToHandler(
  { webhook, fetch, now }: HandlerTarget,
  { network, guid, address }: HandlerSource,
  messages: readonly StoredMessage[],
): Promise<void> {
  const body = JSON.stringify({
    type: 'messages',
    timestamp: new Date(now()).toISOString(),
    network,
    node: { guid, address },
    messages: messages.map(messageView),
  });
  const id = `messages_${hashOf(messages.map((message) => message.id).join())}`;
  const signed = webhook ? await webhookHeaders(webhook.secret, id, Math.floor(now() / 1000), body) : null;
  const response = await fetch(webhook?.url ?? BINDING_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'webhook-id': id, ...signed },
    body,
    // Who moves tells the operator; messages go nowhere else.
    redirect: 'manual',
    signal: AbortSignal.timeout(HANDLER_MS_MAX),
  });
  // What it says beside the status is not read, however long it is.
  await response.body?.cancel().catch(() => undefined);
  if (!response.ok) throw new Error(`answered ${response.status}`);
}
