import { describe, expect, it } from 'vitest';
import type { Effect } from '../../src/protocol/effects.ts';
import { ASIDE_PAUSE_MS, BACKOFF_MS_MAX, HANDLER_ASIDE_MAX, HANDLER_MESSAGES_MAX } from '../../src/protocol/limits.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { lines, Machine, NOW, only } from './machine.ts';

const machine = (config: Partial<ProtocolConfig> = {}) => new Machine([], { hasHandler: true, ...config });

/** Messages come; gives what the machine wants done. */
function arrive(of: Machine, count = 1, ttlMs = 600_000): { ids: string[]; effects: Effect[] } {
  const messages = Array.from({ length: count }, () => of.message({ expiresAt: of.now + ttlMs }));
  const deliveries = messages.map(({ sealed }) => ({ body: sealed, range: { from: 5, to: 4 }, hops: 1 }));
  const effects = of.effectsOf({ type: 'deliver', deliveries, newest: null, bringer: null });
  return { ids: messages.map(({ id }) => id), effects };
}

/** The batch that the handler is given; null where it is given none. */
function batchOf(effects: readonly Effect[]): { through: string; ids: string[] } | null {
  const found = only(effects, 'handle');
  expect(found.length).toBeLessThanOrEqual(1);
  const [batch] = found;
  return batch ? { through: batch.through, ids: batch.messages.map(({ id }) => id) } : null;
}

const taken = (of: Machine, through = '') => of.effectsOf({ type: 'handled', through });
const failed = (of: Machine, through = '') => of.effectsOf({ type: 'handler-failed', through, reason: 'answered 500' });
/** The handler's timer rings. */
const retry = (of: Machine) => {
  const { at = Infinity } = of.state.timers.get('handler') ?? {};
  of.now = at;
  return of.effectsOf({ type: 'alarm' });
};

/** Whatever timer is next rings. */
const retryAny = (of: Machine) => {
  of.now = Math.max(of.now, of.state.timers.earliest() ?? of.now);
  return of.effectsOf({ type: 'alarm' });
};
const asideOf = (of: Machine) => (JSON.parse(of.store.meta.get('handled') ?? '{}') as { aside: string[] }).aside;
/** A message that the handler never takes, and one behind it that it took. */
function setAside(of: Machine, ttlMs = 600_000): string {
  const [poison = ''] = arrive(of, 1, ttlMs).ids;
  const behind = arrive(of).ids[0] ?? '';
  let batch: ReturnType<typeof batchOf> = { through: '1', ids: [poison] };
  for (let tries = 0; tries < 10; tries++) {
    if (!batch?.ids.includes(poison)) break;
    const effects = failed(of, batch.through);
    batch = batchOf(effects) ?? batchOf(retry(of));
  }
  expect(batch?.ids).toEqual([behind]);
  taken(of, batch?.through);
  return poison;
}

describe('the handler', () => {
  it('is given each message once, in order, one batch at a time', () => {
    const of = machine();
    const first = arrive(of, 2);
    expect(batchOf(first.effects)).toEqual({ through: '1', ids: first.ids });
    const [second, third] = [arrive(of), arrive(of)];
    expect([batchOf(second.effects), batchOf(third.effects)]).toEqual([null, null]);
    expect(batchOf(taken(of, '1'))?.ids).toEqual([...second.ids, ...third.ids]);
    expect(batchOf(taken(of, '3'))).toBeNull();
    expect(batchOf(arrive(of, 0).effects)).toBeNull();
  });

  it('is given nothing where the node has none', () => {
    const of = machine({ hasHandler: false });
    expect(batchOf(arrive(of).effects)).toBeNull();
  });

  it('costs one row a batch, whatever is in it', () => {
    const of = machine();
    arrive(of, 50);
    const before = of.store.rowsWritten();
    taken(of, '1');
    expect(of.store.rowsWritten() - before).toBe(1);
  });

  it('is given bounded batches', () => {
    const of = machine();
    const { effects } = arrive(of, HANDLER_MESSAGES_MAX + 1);
    expect(batchOf(effects)?.ids).toHaveLength(HANDLER_MESSAGES_MAX);
  });

  it('is given what it had not taken when the node was evicted, and nothing else', () => {
    const of = machine();
    arrive(of);
    taken(of, '1');
    const second = arrive(of);
    of.reload();
    expect(batchOf(of.effectsOf({ type: 'wake' }))).toEqual({ through: '2', ids: second.ids });
    // What the evicted one had asked comes back late: it is no harm.
    expect(batchOf(taken(of, '1'))).toBeNull();
    taken(of, '2');
    of.reload();
    expect(batchOf(of.effectsOf({ type: 'wake' }))).toBeNull();
  });
});

describe('a handler that fails', () => {
  it('is left alone for a pause, which outlives eviction, whatever comes meanwhile', () => {
    const of = machine();
    const { ids } = arrive(of);
    const effects = failed(of, '1');
    expect([batchOf(effects), lines(effects, 'handler_failed').length]).toEqual([null, 1]);
    expect(batchOf(arrive(of).effects)).toBeNull();
    of.reload();
    expect(batchOf(of.effectsOf({ type: 'wake' }))).toBeNull();
    // How often it failed outlives it too.
    expect(of.state.handling.failures).toBe(1);
    expect(batchOf(retry(of))?.ids.slice(0, 1)).toEqual(ids);
  });

  it('waits twice as long each time, up to a minute, and begins anew when it takes something', () => {
    const of = machine({ messageTtlMs: 86_400_000 });
    arrive(of, 1, 86_400_000);
    const pauses: number[] = [];
    for (let tries = 0; tries < 12; tries++) {
      failed(of, '1');
      pauses.push((of.state.timers.get('handler')?.at ?? 0) - of.now);
      expect(batchOf(retry(of))?.ids).toHaveLength(1);
    }
    expect(pauses[0]).toBeLessThanOrEqual(1_000);
    for (const pause of pauses.slice(7)) {
      expect(pause).toBeGreaterThanOrEqual(BACKOFF_MS_MAX / 2);
      expect(pause).toBeLessThanOrEqual(BACKOFF_MS_MAX);
    }
    expect(lines(taken(of, '1'), 'handler_well_again')).toHaveLength(1);
    arrive(of);
    failed(of, '2');
    expect((of.state.timers.get('handler')?.at ?? 0) - of.now).toBeLessThanOrEqual(1_000);
  });

  it('gets smaller batches, so that a message that it cannot take keeps few others with it', () => {
    const of = machine();
    const { ids, effects } = arrive(of, 100);
    let batch = batchOf(effects);
    const poison = ids[70] ?? '';
    const got: string[] = [];
    for (let tries = 0; tries < 100 && batch; tries++) {
      if (batch.ids.includes(poison)) {
        if (batch.ids.length === 1) break;
        failed(of, batch.through);
        batch = batchOf(retry(of));
        continue;
      }
      got.push(...batch.ids);
      batch = batchOf(taken(of, batch.through));
    }
    expect(got).toEqual(ids.slice(0, 70));
  });

  it('does not hold up what is behind a message that it never takes', () => {
    const of = machine();
    const poison = arrive(of).ids[0] ?? '';
    failed(of, '1');
    const behind = arrive(of, 3);
    // It failed once before: by itself until it is set aside.
    const tries: number[] = [];
    let batch = batchOf(retry(of));
    let effects: Effect[] = [];
    while (tries.length < 10) {
      if (!batch?.ids.includes(poison)) break;
      tries.push(batch.ids.length);
      effects = failed(of, batch.through);
      batch = batchOf(effects) ?? batchOf(retry(of));
    }
    expect(tries).toEqual([1, 1]);
    expect(lines(effects, 'handler_set_aside').map(({ level, fields }) => [level, fields['id']])).toEqual([
      ['WARNING', poison.slice(0, 12)],
    ]);
    // One by itself, since the handler may be down; then as ever.
    expect(batch?.ids).toEqual(behind.ids.slice(0, 1));
    expect(batchOf(taken(of, batch?.through))?.ids).toEqual(behind.ids.slice(1));
  });

  it('gets it again once a minute, also after an eviction, until it takes it', () => {
    const of = machine();
    const poison = setAside(of);
    for (let minute = 0; minute < 3; minute++) {
      if (minute === 1) of.reload();
      const { at = Infinity } = of.state.timers.get('aside') ?? {};
      expect(at - of.now).toBe(ASIDE_PAUSE_MS);
      of.now = at - 1;
      expect(batchOf(of.effectsOf({ type: 'alarm' }))).toBeNull();
      of.now = at;
      const batch = batchOf(of.effectsOf({ type: 'alarm' }));
      expect(batch?.ids).toEqual([poison]);
      if (minute < 2) expect(batchOf(failed(of, batch?.through))).toBeNull();
      else expect(batchOf(taken(of, batch?.through))).toBeNull();
    }
    expect(of.state.timers.get('aside')).toBeNull();
    of.reload();
    expect(batchOf(of.effectsOf({ type: 'wake' }))).toBeNull();
    expect(of.state.counters.get('handler_missed')).toBe(0);
  });

  it('gets what comes meanwhile at once: a message set aside is no pause', () => {
    const of = machine();
    setAside(of);
    const { ids, effects } = arrive(of, 2);
    expect(batchOf(effects)?.ids).toEqual(ids);
  });

  it('counts a message that was set aside as missed where it expires so, and asks no more', () => {
    const of = machine({ syncIntervalMs: 1_000, syncJitterMs: 0 });
    setAside(of, 30_000);
    of.now = of.state.timers.get('aside')?.at ?? 0;
    // Not dropped yet.
    expect(batchOf(of.effectsOf({ type: 'wake' }))).toBeNull();
    const told = lines(of.round(), 'handler_missed');
    expect(told.map(({ fields }) => fields['messages'])).toEqual([1]);
    of.now += ASIDE_PAUSE_MS;
    expect(batchOf(of.effectsOf({ type: 'alarm' }))).toBeNull();
    expect(of.state.timers.get('aside')).toBeNull();
    expect(of.state.counters.get('handler_missed')).toBe(1);
  });

  it('that is down has few messages set aside, and gets them all when it is back, one after the other', () => {
    const of = machine({ messageTtlMs: 86_400_000 });
    const { ids, effects } = arrive(of, 2 * HANDLER_ASIDE_MAX, 86_400_000);
    let batch = batchOf(effects);
    for (let tries = 0; tries < 20 * HANDLER_ASIDE_MAX; tries++) {
      const told = failed(of, batch?.through);
      batch = batchOf(told) ?? batchOf(retryAny(of));
    }
    // In turn, so that no one of them keeps the others waiting.
    expect(asideOf(of)).toHaveLength(HANDLER_ASIDE_MAX);
    expect(asideOf(of)).not.toEqual(ids.slice(0, HANDLER_ASIDE_MAX));
    const got: string[] = [];
    for (let tries = 0; tries < 3 * ids.length && got.length < ids.length; tries++) {
      got.push(...(batch?.ids ?? []));
      batch = batch ? batchOf(taken(of, batch.through)) : batchOf(retryAny(of));
    }
    expect([...got].sort()).toEqual([...ids].sort());
    expect(of.state.counters.get('handler_missed')).toBe(0);
    expect(asideOf(of)).toEqual([]);
  });

  it('never holds the network up: what comes is stored, answered and passed on', () => {
    const of = machine();
    arrive(of);
    failed(of, '1');
    const delivery = of.delivery();
    expect(of.bring(9, [delivery])).toEqual(['new']);
    expect(of.state.mempool.size).toBe(2);
  });
});

describe('messages that expire before the handler takes them', () => {
  it('are counted and told of, each once, and those behind are given', () => {
    const of = machine();
    arrive(of, 3, 5_000);
    const after = arrive(of, 2);
    failed(of, '1');
    of.now = NOW + 5_000;
    const effects = of.effectsOf({ type: 'alarm' });
    const batch = batchOf(effects);
    // One of three that failed together.
    expect(batch?.ids).toEqual(after.ids.slice(0, 1));
    const told = lines([...effects, ...taken(of, batch?.through)], 'handler_missed');
    expect(told.map(({ level, fields }) => [level, fields['messages']])).toEqual([['ERROR', 3]]);
    expect(of.state.counters.get('handler_missed')).toBe(3);
  });

  it.each([
    ['takes', 0],
    ['does not take', 3],
  ])('while it has them count by whether it %s them', (what, count) => {
    const of = machine({ syncIntervalMs: 1_000, syncJitterMs: 0 });
    arrive(of, 3, 5_000);
    of.now = NOW + 6_000;
    of.round();
    expect([of.state.mempool.size, of.state.counters.get('handler_missed')]).toEqual([0, 0]);
    if (what === 'takes') taken(of, '1');
    else failed(of, '1');
    of.round();
    expect(of.state.counters.get('handler_missed')).toBe(count);
  });

  it('also where nothing else is there, and where the mempool has dropped them', () => {
    const of = machine({ syncIntervalMs: 1_000, syncJitterMs: 0 });
    arrive(of, 3, 5_000);
    failed(of, '1');
    of.now = NOW + 4_000;
    failed(of, batchOf(retry(of))?.through);
    of.now = NOW + 6_000;
    const effects = of.round();
    expect(of.state.mempool.size).toBe(0);
    expect(lines(effects, 'handler_missed').map(({ fields }) => fields['messages'])).toEqual([3]);
    of.now += 60_000;
    of.effectsOf({ type: 'alarm' });
    expect(of.state.counters.get('handler_missed')).toBe(3);
  });

  it('also where a message that comes is stored in their place', () => {
    const of = machine();
    arrive(of, 3, 5_000);
    failed(of, '1');
    of.now = NOW + 6_000;
    const { effects } = arrive(of);
    expect([of.state.mempool.size, of.state.counters.get('messages_expired')]).toEqual([1, 3]);
    expect(lines(effects, 'handler_missed').map(({ fields }) => fields['messages'])).toEqual([3]);
  });

  it('are not those that it took', () => {
    const of = machine({ syncIntervalMs: 1_000, syncJitterMs: 0 });
    arrive(of, 3, 5_000);
    taken(of, '1');
    of.now = NOW + 6_000;
    expect(lines(of.round(), 'handler_missed')).toEqual([]);
  });
});

it('a note of an older version, which set nothing aside, is read', () => {
  const of = machine();
  arrive(of);
  taken(of, '1');
  of.store.meta.set('handled', '{"cursor":"1","failures":0}');
  of.reload();
  expect(batchOf(of.effectsOf({ type: 'wake' }))).toBeNull();
});

it.each(['broken', '{"cursor":3,"failures":"x","most":[],"aside":7}'])(
  'a damaged note of what was taken, %s, gives the handler again what is there',
  (note) => {
    const of = machine();
    const { ids } = arrive(of);
    taken(of, '1');
    of.store.meta.set('handled', note);
    of.reload();
    expect(batchOf(of.effectsOf({ type: 'wake' }))?.ids).toEqual(ids);
  },
);
