// Looks into an object's storage for what HTTP does not show.
import { runInDurableObject } from 'cloudflare:test';
import type { Sealed } from '../../src/protocol/seal.ts';
import { objectOf } from './support.ts';

/** A stored message as it is sent. */
export async function bodyAt(slot: number, id: string): Promise<Sealed> {
  return await runInDurableObject(objectOf(slot), (_, state) => {
    for (const row of state.storage.sql.exec<{ idx: string; body: string }>('SELECT idx, body FROM segments')) {
      const { items } = JSON.parse(row.idx) as { items: [string][] };
      const position = items.findIndex(([itemId]) => itemId === id);
      if (position >= 0) return row.body.split('\n')[position] as Sealed;
    }
    throw new Error('not stored');
  });
}
