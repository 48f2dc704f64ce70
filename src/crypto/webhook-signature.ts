// Signatures of webhooks as Standard Webhooks 1.0.0 has them (github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over `id.timestamp.body`.
// Libraries that check them exist for most languages.
import { fromBase64, toBase64 } from './base64url.ts';

const PREFIX = 'whsec_';

/**
 * The headers of a signed webhook. `id` is the same whenever the same is sent again and has no full stop in it; `seconds` is the Unix time of this
 * try; `secret` is `whsec_` and base64.
 */
export async function webhookHeaders(
  secret: string,
  id: string,
  seconds: number,
  body: string,
): Promise<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', fromBase64(secret.slice(PREFIX.length)), hmac, false, ['sign']);
  const signed = await crypto.subtle.sign(hmac, key, new TextEncoder().encode(`${id}.${seconds}.${body}`));
  const signature = `v1,${toBase64(new Uint8Array(signed))}`;
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
}
