// Looks into an object's storage for what HTTP does not show.
import { runInDurableObject } from 'cloudflare:test';
import type { Canonical } from '../../src/protocol/canonical.ts';
import { objectOf } from './support.ts';

/** Canonical body of a stored message. */
export async function bodyAt(slot: number, id: string): Promise<Canonical> {
  return await runInDurableObject(objectOf(slot), (_, state) => {
    for (const row of state.storage.sql.exec<{ idx: string; body: string }>('SELECT idx, body FROM segments')) {
      const { items } = JSON.parse(row.idx) as { items: [string][] };
      const position = items.findIndex(([itemId]) => itemId === id);
      if (position >= 0) return row.body.split('\n')[position] as Canonical;
    }
    throw new Error('not stored');
  });
}
