// Reports to a beacon in another deployment: over HTTP, signed as a member.
import { freshNonce, signRequest } from '../crypto/http-signature.ts';
import type { Heard, Report } from '../protocol/beacon-report.ts';
import { BEACON_TIMEOUT_MS } from '../protocol/limits.ts';
import { beaconHeard } from './beacon-schemas.ts';
import { reportView } from './beacon-views.ts';
import type { CallingNode, PeerClientOptions } from './peer-client.ts';
import { readCapped } from './read-capped.ts';

/** There is no beacon at that address: its deployment has none, or it is a boot node on a server. */
export class NoBeaconError extends Error {
  constructor() {
    super('there is no beacon');
    this.name = 'NoBeaconError';
  }
}

/** Two cursors. */
const ANSWER_BYTES_MAX = 1_024;

/** Tells the beacon of the deployment at `url`. Rejects where there is no answer that counts: with a NoBeaconError where there is no beacon. */
export async function tellBeaconAt(
  url: string,
  report: Report,
  from: CallingNode,
  call: PeerClientOptions['fetch'],
): Promise<Heard> {
  const body = JSON.stringify(reportView(report));
  const outgoing = { method: 'POST', url: `${url}/api/v1/beacon/receipts`, body } as const;
  const request = await signRequest(outgoing, from.signer, from.credential, freshNonce(), Date.now());
  const response = await call(request, { signal: AbortSignal.timeout(BEACON_TIMEOUT_MS) });
  if (!response.ok) {
    // Not waited for: it may never end.
    response.body?.cancel().catch(() => undefined);
    throw response.status === 404 ? new NoBeaconError() : new Error(`HTTP ${response.status}`);
  }
  const bytes = await readCapped(response.body, ANSWER_BYTES_MAX);
  return beaconHeard.parse(JSON.parse(new TextDecoder().decode(bytes)));
}
