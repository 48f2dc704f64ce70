import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { hashOf, toCanonical } from '../../src/protocol/canonical.ts';
import type { Outcome, Undeliverable } from '../../src/protocol/effects.ts';
import {
  decodeJob,
  encodeJob,
  packJobs,
  type Bundle,
  type Job,
  type JobLeg,
  type Sender,
} from '../../src/protocol/job.ts';
import type { Delivery, JsonValue } from '../../src/protocol/types.ts';
import { BODY_BYTES_MAX } from '../../src/protocol/limits.ts';
import { seal } from '../../src/protocol/seal.ts';
import { FIRST_ATTEMPT_MS } from '../../src/protocol/limits.ts';
import { BATCH_JOBS_MAX, consume, INSIDE, OUTSIDE, type ConsumerPorts } from '../../src/queue/consumer.ts';
import { firstAttempt } from '../../src/queue/first-attempt.ts';
import { reportDeadLetters } from '../../src/queue/dead-letters.ts';
import { sendJobs } from '../../src/queue/producer.ts';
import { keyOf, NO_SIGNATURE } from '../support/signed.ts';

const from = { guid: 1, address: 'local:/n/1', maxGuid: 9 };
/** The boot node keeps no messages: what it sends is tried again by the queue, not by itself. */
const boot = { guid: 0, address: 'local:', maxGuid: 9 };
const leg = (to: number): JobLeg => ({
  to,
  address: `local:/n/${to}`,
  range: { from: to, to: to - 1 },
  outside: null,
});
/** A leg to a peer outside. */
const legOut = (to: number, isTrusted = true): JobLeg => ({
  ...leg(to),
  address: `https://n${to}.peers.net`,
  outside: { publicKey: keyOf(to), isTrusted },
});
const sealedOf = (value: JsonValue) => seal(toCanonical(value), NO_SIGNATURE);
const bodies = (...names: string[]) => names.map((name) => sealedOf({ name }));

function job(bundles: readonly Partial<Bundle>[], tries = 0): Job {
  const full = bundles.map((bundle) => ({
    bodies: bodies('a'),
    legs: [leg(2)],
    hops: 1,
    attempt: 0,
    without: [],
    ...bundle,
  }));
  return { network: 'test', from, bundles: full, tries };
}

/** What a sender was told of: to whom, and how many messages. */
const told = (reported: readonly unknown[]) =>
  (reported as [Sender, Undeliverable[]][]).map(([sender, legs]) => [
    sender.guid,
    legs.map(({ to, ids }) => [to, ids.length]),
  ]);

function message(body: unknown) {
  const seen = { body, acked: 0, retried: 0, ack: () => void seen.acked++, retry: () => void seen.retried++ };
  return seen;
}

/** Ports that record, with nodes that answer as told: an outcome for all, a function, or no answer. */
function ports(answers: Record<string, Outcome | Error | ((delivery: Delivery) => Outcome)> = {}) {
  const seen = {
    calls: [] as { address: string; leg: JobLeg; bodies: string[]; maxGuid: number }[],
    resent: [] as { job: Job; delaySeconds: number }[],
    buried: [] as Job[],
    reported: [] as unknown[],
    unreadable: 0,
    events: [] as string[],
    rests: [] as number[],
    queueFails: false,
    time: 0,
  };
  const made: ConsumerPorts & { report: (...args: unknown[]) => Promise<void> } = {
    async deliver(target, deliveries, newest) {
      const { address } = target;
      seen.calls.push({ address, leg: target, bodies: deliveries.map(({ body }) => body), maxGuid: newest.maxGuid });
      const answer = answers[address] ?? 'new';
      if (answer instanceof Error) throw answer;
      return deliveries.map((delivery) => (typeof answer === 'function' ? answer(delivery) : answer));
    },
    async resend(jobs, delaySeconds) {
      if (seen.queueFails) throw new Error('queue is full');
      seen.resent.push(...jobs.map((sent) => ({ job: sent, delaySeconds })));
    },
    async bury(jobs) {
      seen.buried.push(...jobs);
    },
    async unreadable() {
      seen.unreadable++;
    },
    async report(...args) {
      if (seen.queueFails) throw new Error('node is away');
      seen.reported.push(args);
    },
    now: () => seen.time,
    rest: async (ms) => void seen.rests.push(ms),
    log: (...[event]) => void seen.events.push(event),
  };
  return { seen, made };
}

describe('the rest after a batch', () => {
  const batch = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      message(encodeJob(job([{ bodies: bodies(`m${index}`), legs: [leg(2)] }]))),
    );
  const after = async (jobs: number | ReturnType<typeof batch>, workMs: number, lane = INSIDE) => {
    const { seen, made } = ports();
    const deliver = made.deliver;
    made.deliver = (...call) => {
      seen.time += workMs;
      return deliver(...call);
    };
    await consume(typeof jobs === 'number' ? batch(jobs) : jobs, lane, made);
    return seen.rests;
  };

  it('is half as long again as the batch took, within bounds, so that under load more messages share a call and a row', async () => {
    expect(await after(2, 40)).toEqual([60]);
    expect(await after(99, 200)).toEqual([200]);
    expect(await after(99, 390)).toEqual([10]);
  });

  it('looks at messages, not at jobs: one for many targets is several, and many may be one', async () => {
    const one = (to: number) => message(encodeJob(job([{ bodies: bodies('m'), legs: [leg(to)] }])));
    expect(await after([one(2), one(3)], 40)).toEqual([]);
    expect(await after([message(encodeJob(job([{ bodies: bodies('m', 'n') }])))], 40)).toEqual([60]);
  });

  it('is none where a message came alone, where more are waiting, or where a batch takes no time', async () => {
    expect(await after(1, 40)).toEqual([]);
    expect(await after(100, 40)).toEqual([]);
    expect(await after(2, 0)).toEqual([]);
    // Enough has come meanwhile.
    expect(await after(99, 4_000)).toEqual([]);
  });

  it('is none towards peers outside, whose calls take long as it is', async () => {
    expect(await after(2, 40, OUTSIDE)).toEqual([]);
  });
});

test('a batch is full where wrangler.toml says so, in each network', () => {
  const toml = readFileSync(new URL('../../wrangler.toml', import.meta.url), 'utf8');
  const sizes = [...toml.matchAll(/^queue = "[a-z-]*-deliveries"\n(?:#.*\n)*max_batch_size = (\d+)$/gm)];
  expect(sizes.map(([, size]) => Number(size))).toEqual([BATCH_JOBS_MAX, BATCH_JOBS_MAX]);
});

describe('delivery consumer', () => {
  it('makes one call a target, whatever the number of jobs, and acknowledges what was delivered', async () => {
    const messages = [
      message(encodeJob(job([{ bodies: bodies('a', 'b'), legs: [leg(2), leg(3)] }]))),
      message(encodeJob(job([{ bodies: bodies('c'), legs: [leg(3)] }]))),
    ];
    const { seen, made } = ports();
    await consume(messages, INSIDE, made);
    expect(seen.calls.map(({ address, bodies: got }) => [address, got.length])).toEqual([
      ['local:/n/2', 2],
      ['local:/n/3', 3],
    ]);
    expect(messages.map(({ acked, retried }) => [acked, retried])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(seen.resent).toEqual([]);
  });

  it('tells the sender at once of what failed, so that others take its range over, and of nothing else', async () => {
    const { seen, made } = ports({ 'local:/n/3': new Error('gone') });
    const bundle = { bodies: bodies('a', 'b'), legs: [leg(2), leg(3), leg(4)], attempt: 2, without: [7] };
    const one = message(encodeJob(job([bundle])));
    await consume([one], INSIDE, made);
    expect(one.acked).toBe(1);
    expect(told(seen.reported)).toEqual([[1, [[3, 2]]]]);
    expect(seen.reported).toMatchObject([[from, [{ range: leg(3).range, attempt: 2, without: [7], answered: false }]]]);
    expect([seen.resent, seen.buried]).toEqual([[], []]);
    expect(seen.events).toContain('delivery_failed');
  });

  it('of the boot node’s, which keeps no messages, sends back only what failed, with a growing pause', async () => {
    const { seen, made } = ports({ 'local:/n/3': new Error('gone') });
    for (const tries of [0, 1, 2]) {
      const bundle = { bodies: bodies('a', 'b'), legs: [leg(2), leg(3), leg(4)] };
      const one = message(encodeJob({ ...job([bundle], tries), from: boot }));
      await consume([one], INSIDE, made);
      expect(one.acked).toBe(1);
    }
    expect(seen.resent.map(({ job: sent }) => sent.bundles.map(({ legs }) => legs.map(({ to }) => to)))).toEqual([
      [[3]],
      [[3]],
      [[3]],
    ]);
    expect(seen.resent.map(({ job: sent }) => sent.tries)).toEqual([1, 2, 3]);
    expect(seen.resent.map(({ delaySeconds }) => delaySeconds)).toEqual([1, 2, 4]);
    expect(seen.events).toContain('delivery_failed');
  });

  it('sends back single messages that a node was too busy for', async () => {
    const busy = ({ body }: Delivery) => (body.includes('"b"') ? 'busy' : 'new') as Outcome;
    const { seen, made } = ports({ 'local:/n/2': busy });
    await consume([message(encodeJob(job([{ bodies: bodies('a', 'b', 'c'), legs: [leg(2), leg(3)] }])))], INSIDE, made);
    const [sent] = seen.resent;
    expect(sent?.job.bundles).toEqual([{ bodies: bodies('b'), legs: [leg(2)], hops: 1, attempt: 0, without: [] }]);
  });

  it('gives these up after the last try, to the dead letters and not to nobody', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone') });
    const one = message(encodeJob({ ...job([{}], 3), from: boot }));
    await consume([one], INSIDE, made);
    expect(seen.resent).toEqual([]);
    expect(seen.buried.map(({ bundles }) => bundles[0]?.legs[0]?.to)).toEqual([2]);
    expect(one.acked).toBe(1);
    expect(seen.events).toContain('job_given_up');
  });

  it('a sender that cannot be told now is told by the dead letters', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone') });
    made.report = async () => Promise.reject(new Error('it is away too'));
    const one = message(encodeJob(job([{}])));
    await consume([one], INSIDE, made);
    expect(seen.buried).toMatchObject([{ from, bundles: [{ legs: [leg(2)] }] }]);
    expect(one.acked).toBe(1);
    expect(seen.events).toContain('sender_not_told');
  });

  it('leaves a message in the queue when what is left of it cannot be sent back', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone') });
    seen.queueFails = true;
    const one = message(encodeJob({ ...job([{}]), from: boot }));
    await consume([one], INSIDE, made);
    expect([one.acked, one.retried]).toEqual([0, 1]);
    expect(seen.events).toContain('job_not_settled');
  });

  it('a poison message is logged and counted, and does not hold the others up', async () => {
    const poison = [
      null,
      7,
      '',
      '{}',
      'x\ny',
      { bundles: [] },
      encodeJob(job([{}])).replace('"messages":1', '"messages":9'),
    ].map(message);
    const sound = message(encodeJob(job([{}])));
    const { seen, made } = ports();
    await consume([...poison, sound], INSIDE, made);
    expect(seen.unreadable).toBe(poison.length);
    expect([...poison, sound].every(({ acked }) => acked === 1)).toBe(true);
    expect(seen.calls).toHaveLength(1);
    expect(seen.events.filter((event) => event === 'job_unreadable')).toHaveLength(poison.length);
  });

  it('takes a large batch in slices, each settled before the next is in hand', async () => {
    const order: string[] = [];
    const big = () =>
      job([
        {
          bodies: bodies(...Array.from({ length: 400 }, (_, index) => `m${index}`)),
          legs: Array.from({ length: 100 }, (_, index) => leg(index + 2)),
        },
      ]);
    const messages = [1, 2, 3].map((name) => {
      const one = message(encodeJob(big()));
      return Object.assign(one, { ack: () => void order.push(`ack ${name}`) });
    });
    const { made } = ports();
    const { deliver } = made;
    made.deliver = async (...args) => {
      if (order.at(-1) !== 'deliver') order.push('deliver');
      return await deliver(...args);
    };
    await consume(messages, INSIDE, made);
    expect(order).toEqual(['deliver', 'ack 1', 'deliver', 'ack 2', 'deliver', 'ack 3']);
  });

  it('tells the target of the sender that knows most', async () => {
    const newer = { ...job([{}]), from: { guid: 5, address: 'local:/n/5', maxGuid: 40 } };
    const { seen, made } = ports();
    await consume([message(encodeJob(job([{}]))), message(encodeJob(newer))], INSIDE, made);
    expect(seen.calls.map(({ maxGuid }) => maxGuid)).toEqual([40]);
  });

  it('cuts what one target gets into calls of bounded size', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `m${index}`);
    const jobs = [0, 1, 2].map((part) =>
      message(encodeJob(job([{ bodies: bodies(...many.map((name) => `${part}${name}`)) }]))),
    );
    const { seen, made } = ports();
    await consume(jobs, INSIDE, made);
    expect(seen.calls.map(({ bodies: got }) => got.length)).toEqual([2_000, 1_000]);
  });
});

describe('the first attempt', () => {
  const one = () => job([{ legs: [leg(2), leg(3), leg(4)] }]);
  const legsOf = (jobs: readonly { readonly job: Job }[]) =>
    jobs.map(({ job: { tries, bundles } }) => [tries, bundles.flatMap(({ legs }) => legs.map(({ to }) => to))]);

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('leaves nothing to the queue where all take the message', async () => {
    const { seen, made } = ports({ 'local:/n/3': 'duplicate', 'local:/n/4': 'rejected' });
    await firstAttempt([one()], made);
    expect(seen.calls.map(({ address }) => address)).toEqual(['local:/n/2', 'local:/n/3', 'local:/n/4']);
    expect([seen.resent, seen.reported, seen.buried]).toEqual([[], [], []]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells the sender at once of who failed, and leaves who is busy to the queue', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone'), 'local:/n/4': 'busy' });
    await firstAttempt([one()], made);
    expect(told(seen.reported)).toEqual([[1, [[2, 1]]]]);
    expect(legsOf(seen.resent)).toEqual([[1, [4]]]);
  });

  it('leaves who takes long to the queue, as if it had not been called: it has not failed', async () => {
    const { seen, made } = ports();
    const { deliver } = made;
    made.deliver = async (...call) => {
      if (call[0].to === 3) await new Promise<void>((_, reject) => setTimeout(reject, 2 * FIRST_ATTEMPT_MS));
      return await deliver(...call);
    };
    let isOver = false;
    const attempt = firstAttempt([one()], made).then(() => (isOver = true));
    await vi.advanceTimersByTimeAsync(FIRST_ATTEMPT_MS - 1);
    expect([isOver, seen.resent]).toEqual([false, []]);
    await vi.advanceTimersByTimeAsync(1);
    await attempt;
    expect(legsOf(seen.resent)).toEqual([[0, [3]]]);
    expect([seen.reported, seen.buried, seen.events]).toEqual([[], [], []]);
    // Its failure is nobody's any more, and no unhandled one.
    await vi.advanceTimersByTimeAsync(FIRST_ATTEMPT_MS);
    expect(seen.events).toEqual([]);
  });

  it('rejects where the queue does not take what is left: its sender still owes it', async () => {
    const { seen, made } = ports({ 'local:/n/4': 'busy' });
    seen.queueFails = true;
    await expect(firstAttempt([one()], made)).rejects.toThrow('queue is full');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('delivery consumer, to peers outside', () => {
  const gone = new Error('gone');
  const lane = OUTSIDE;

  it('tells the sender of a leg that failed: it knows better when to try again', async () => {
    const { seen, made } = ports({ 'https://n3.peers.net': gone });
    const one = message(encodeJob(job([{ legs: [legOut(2), legOut(3)] }])));
    await consume([one], lane, made);
    expect([seen.resent, seen.buried]).toEqual([[], []]);
    expect(told(seen.reported)).toEqual([[1, [[3, 1]]]]);
    expect([one.acked, one.retried]).toEqual([1, 0]);
  });

  it('single messages that a peer was too busy for, and those alone, are sent again: it answers, so it is there', async () => {
    const busy = ({ body }: Delivery) => (body.includes('"b"') ? 'busy' : 'new') as Outcome;
    const { seen, made } = ports({ 'https://n2.peers.net': busy });
    await consume([message(encodeJob(job([{ bodies: bodies('a', 'b', 'c'), legs: [legOut(2)] }])))], lane, made);
    const left = [{ bodies: bodies('b'), legs: [legOut(2)], hops: 1, attempt: 0, without: [] }];
    expect(seen.resent).toMatchObject([{ job: { tries: 1, bundles: left } }]);
    expect(seen.buried).toEqual([]);
    const { seen: last, made: again } = ports({ 'https://n2.peers.net': busy });
    await consume([message(encodeJob({ ...job(left), tries: 3 }))], lane, again);
    expect(told(last.reported)).toEqual([[1, [[2, 1]]]]);
    expect(last.reported).toMatchObject([[from, [{ answered: true }]]]);
    expect([last.resent, last.buried]).toEqual([[], []]);
  });

  it('where one call is answered busy and another not at all, the leg has failed', async () => {
    const { seen, made } = ports();
    let calls = 0;
    made.deliver = async (_leg, deliveries) => {
      if (calls++ > 0) throw new Error('no answer');
      return deliveries.map(() => 'busy');
    };
    const many = bodies(...Array.from({ length: 300 }, (_, index) => `m${index}`));
    await consume([message(encodeJob(job([{ bodies: many, legs: [legOut(2)] }])))], lane, made);
    expect(calls).toBeGreaterThan(1);
    expect(seen.resent).toEqual([]);
    expect(told(seen.reported)).toEqual([[1, [[2, 300]]]]);
  });

  it('a peer that answers with too few outcomes got the first ones only', async () => {
    const { seen, made } = ports();
    made.deliver = async () => ['new'];
    await consume([message(encodeJob(job([{ bodies: bodies('a', 'b'), legs: [legOut(2)] }])))], lane, made);
    expect(told(seen.reported)).toEqual([[1, [[2, 1]]]]);
  });

  it('tells whom to call and which key must answer', async () => {
    const { seen, made } = ports();
    await consume([message(encodeJob(job([{ legs: [legOut(2), legOut(3, false)] }])))], lane, made);
    expect(seen.calls.map((call) => call.leg)).toEqual([legOut(2), legOut(3, false)]);
  });

  it.each([
    ['outside', OUTSIDE, 200, ['a'], 6],
    ['inside', INSIDE, 1_500, ['a'], 1_024],
    // Each holds a copy of what it brings.
    ['inside, of 300 kB each', INSIDE, 200, Array.from('abcdef', (name) => name.repeat(50_000)), 53],
  ] as const)('%s: so many calls at once, not more', async (_name, of, targets, names, max) => {
    const { made } = ports();
    let open = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    made.deliver = async () => {
      most = Math.max(most, ++open);
      // Whoever comes last lets one go, so that there are always as many as may be.
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (open >= max) waiting.shift()?.();
      });
      open--;
      return ['new'];
    };
    const legs = Array.from({ length: targets }, (_unused, index) =>
      of === INSIDE ? leg(index + 2) : legOut(index + 2),
    );
    const batches = packJobs('test', from, [{ bodies: bodies(...names), legs, hops: 1, attempt: 0, without: [] }]);
    const batch = consume(
      batches.map((packed) => message(encodeJob(packed))),
      of,
      made,
    );
    for (let turn = 0; turn < 20_000; turn++) {
      await Promise.resolve();
      if (turn % 10 === 9) waiting.shift()?.();
    }
    await batch;
    expect(most).toBe(max);
  });

  it('calls those that proved to be there first', async () => {
    const { seen, made } = ports();
    const legs = [legOut(2, false), legOut(3), legOut(4, false), legOut(5)];
    await consume([message(encodeJob(job([{ legs }])))], { ...lane, callsMax: 1 }, made);
    expect(seen.calls.map((call) => call.leg.to)).toEqual([3, 5, 2, 4]);
  });

  it('where time is up, puts back what is left, and nobody’s tries are counted', async () => {
    const { seen, made } = ports();
    made.deliver = async (target, deliveries) => {
      seen.calls.push({ address: target.address, leg: target, bodies: deliveries.map(({ body }) => body), maxGuid: 0 });
      seen.time += 25_000;
      return deliveries.map(() => 'new');
    };
    const legs = [2, 3, 4, 5, 6].map((to) => legOut(to));
    const one = message(encodeJob(job([{ legs }], 2)));
    await consume([one], { ...lane, callsMax: 1 }, made);
    // At 0, 25 and 50 seconds: at 75 no call begins.
    expect(seen.calls.map((call) => call.leg.to)).toEqual([2, 3, 4]);
    expect(seen.buried).toEqual([]);
    expect(seen.resent).toMatchObject([{ job: { tries: 2 }, delaySeconds: 1 }]);
    expect(seen.resent[0]?.job.bundles[0]?.legs.map(({ to }) => to)).toEqual([5, 6]);
    expect(one.acked).toBe(1);
    expect(seen.events).not.toContain('job_given_up');
  });

  it('where time is up, what failed is given up and what was not tried is put back', async () => {
    const { seen, made } = ports();
    made.deliver = async () => {
      seen.time += lane.budgetMs ?? 0;
      throw gone;
    };
    const two = [job([{ legs: [legOut(2), legOut(3)] }]), job([{ bodies: bodies('b'), legs: [legOut(4)] }])];
    const messages = two.map((each) => message(encodeJob(each)));
    await consume(messages, { ...lane, callsMax: 1 }, made);
    expect(told(seen.reported)).toEqual([[1, [[2, 1]]]]);
    expect(
      seen.resent.flatMap(({ job: sent }) => sent.bundles.flatMap(({ legs }) => legs.map(({ to }) => to))),
    ).toEqual([3, 4]);
    expect(seen.resent.map(({ job: sent }) => sent.tries)).toEqual([0, 0]);
  });

  it('leaves a job in the queue when it can be neither put back nor given up', async () => {
    const { seen, made } = ports({ 'https://n2.peers.net': gone });
    made.report = async () => Promise.reject(new Error('node is away'));
    made.bury = async () => Promise.reject(new Error('queue is full'));
    const one = message(encodeJob(job([{ legs: [legOut(2)] }])));
    await consume([one], lane, made);
    expect([one.acked, one.retried]).toEqual([0, 1]);
    seen.time = 0;
    made.deliver = async () => {
      throw gone;
    };
    const late = message(encodeJob(job([{ legs: [legOut(2)] }])));
    seen.queueFails = true;
    await consume([late], { ...lane, budgetMs: 0 }, made);
    expect([late.acked, late.retried]).toEqual([0, 1]);
  });

  it('has no end of time for nodes inside', async () => {
    const { seen, made } = ports();
    const { deliver } = made;
    made.deliver = async (...args) => {
      seen.time += 3_600_000;
      return await deliver(...args);
    };
    await consume([message(encodeJob(job([{ legs: [leg(2), leg(3), leg(4)] }])))], { ...INSIDE, callsMax: 1 }, made);
    expect(seen.calls).toHaveLength(3);
    expect(seen.resent).toEqual([]);
  });

  it.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['line breaks', '\n'],
    ['letters', 'x'],
    ['umlauts', 'ü'],
    ['emoji', '😀'],
  ])('each call fits a request body, for messages full of %s', async (_name, text) => {
    const { seen, made } = ports();
    const sent: Delivery[][] = [];
    made.deliver = async (target, deliveries) => {
      sent.push([...deliveries]);
      return deliveries.map(() => 'new');
    };
    const filled = Array.from({ length: 12 }, (_unused, index) => sealedOf({ index, text: text.repeat(14_000) }));
    const range = { from: 2 ** 31 - 1, to: 2 ** 31 - 1 };
    const jobs = packJobs('test', from, [
      { bodies: filled, legs: [{ ...legOut(2), range }], hops: 64, attempt: 0, without: [] },
    ]);
    await consume(
      jobs.map((each) => message(encodeJob(each))),
      lane,
      made,
    );
    expect(sent.flat().map(({ body }) => body)).toEqual(filled);
    for (const deliveries of sent) {
      const wire = deliveries.map(({ body, range: { from: first, to }, hops }) => ({
        signature: body.slice(0, 86),
        body: body.slice(86),
        range: { from: first, to },
        hops,
      }));
      const request = JSON.stringify({ max_guid: 2 ** 31 - 1, deliveries: wire });
      expect(new TextEncoder().encode(request).byteLength).toBeLessThanOrEqual(BODY_BYTES_MAX);
    }
    // Not one call a message either.
    expect(sent.length).toBeLessThan(filled.length);
    expect(seen.buried).toEqual([]);
  });

  it('cuts small messages into calls of so many deliveries', async () => {
    const many = bodies(...Array.from({ length: 600 }, (_unused, index) => `${index}`));
    const jobs = packJobs('test', from, [{ bodies: many, legs: [legOut(2)], hops: 1, attempt: 0, without: [] }]);
    const { seen, made } = ports();
    await consume(
      jobs.map((each) => message(encodeJob(each))),
      lane,
      made,
    );
    expect(seen.calls.map(({ bodies: got }) => got.length)).toEqual([256, 256, 88]);
  });

  it('what it puts back can be read again', async () => {
    const { seen, made } = ports();
    const one = job([{ legs: [legOut(2), legOut(3, false)] }]);
    await consume([message(encodeJob(one))], { ...lane, budgetMs: 0 }, made);
    expect(seen.resent.map(({ job: sent }) => decodeJob(encodeJob(sent)))).toEqual([{ ok: true, value: one }]);
  });
});

describe('dead letters', () => {
  it('the sender hears what did not arrive', async () => {
    const one = message(encodeJob(job([{ bodies: bodies('a', 'b'), legs: [leg(2), leg(3)], attempt: 2 }])));
    const { seen, made } = ports();
    await reportDeadLetters([one], made);
    expect(seen.reported).toMatchObject([
      [
        from,
        [
          { to: 2, attempt: 2, ids: [/[0-9a-f]{64}/, /[0-9a-f]{64}/].map((id) => expect.stringMatching(id)) },
          { to: 3 },
        ],
      ],
    ]);
    expect(one.acked).toBe(1);
  });

  it('names messages by their own ids, whoever signed them and wherever they went', async () => {
    const [sealed] = bodies('a');
    const one = message(encodeJob(job([{ bodies: bodies('a'), legs: [legOut(2)] }])));
    const { seen, made } = ports();
    await reportDeadLetters([one], made);
    const ids = [hashOf(String(sealed).slice(86))];
    expect(seen.reported).toMatchObject([[from, [{ to: 2, range: legOut(2).range, ids }]]]);
  });

  it('a letter stays while its sender cannot be told', async () => {
    const one = message(encodeJob(job([{}])));
    const { seen, made } = ports();
    seen.queueFails = true;
    await reportDeadLetters([one, message('poison')], made);
    expect([one.acked, one.retried]).toEqual([0, 1]);
    expect(seen.unreadable).toBe(1);
  });
});

describe('producer', () => {
  it('keeps each call within a hundred messages and the bytes of a batch', async () => {
    const batches: { body: string }[][] = [];
    const queue = { sendBatch: async (sent: Iterable<{ body: string }>) => void batches.push([...sent]) };
    await sendJobs(
      queue,
      Array.from({ length: 250 }, () => job([{}])),
    );
    expect(batches.map((batch) => batch.length)).toEqual([100, 100, 50]);
    batches.length = 0;
    const large = job([{ bodies: bodies('x'.repeat(60_000)), legs: [leg(2), legOut(3)] }]);
    await sendJobs(
      queue,
      Array.from({ length: 9 }, () => large),
    );
    for (const batch of batches) {
      expect(batch.reduce((sum, { body }) => sum + body.length + 100, 0)).toBeLessThanOrEqual(256_000);
    }
    expect(batches.flat()).toHaveLength(9);
  });
});
