import { describe, expect, it } from 'vitest';
import { toCanonical } from '../../src/protocol/canonical.ts';
import type { Outcome } from '../../src/protocol/effects.ts';
import { encodeJob, type Bundle, type Job } from '../../src/protocol/job.ts';
import type { Delivery } from '../../src/protocol/types.ts';
import { consume, TRIES_MAX, type ConsumerPorts } from '../../src/queue/consumer.ts';
import { reportDeadLetters } from '../../src/queue/dead-letters.ts';
import { sendJobs } from '../../src/queue/producer.ts';

const from = { guid: 1, address: 'local:/n/1', maxGuid: 9 };
const leg = (to: number) => ({ to, address: `local:/n/${to}`, range: { from: to, to: to - 1 } });
const bodies = (...names: string[]) => names.map((name) => toCanonical({ name }));

function job(bundles: readonly Partial<Bundle>[], tries = 0): Job {
  const full = bundles.map((bundle) => ({ bodies: bodies('a'), legs: [leg(2)], hops: 1, attempt: 0, ...bundle }));
  return { network: 'test', from, bundles: full, tries };
}

function message(body: unknown) {
  const seen = { body, acked: 0, retried: 0, ack: () => void seen.acked++, retry: () => void seen.retried++ };
  return seen;
}

/** Ports that record, with nodes that answer as told: an outcome for all, a function, or no answer. */
function ports(answers: Record<string, Outcome | Error | ((delivery: Delivery) => Outcome)> = {}) {
  const seen = {
    calls: [] as { address: string; bodies: string[]; maxGuid: number }[],
    resent: [] as { job: Job; delaySeconds: number }[],
    buried: [] as Job[],
    reported: [] as unknown[],
    unreadable: 0,
    events: [] as string[],
    queueFails: false,
  };
  const made: ConsumerPorts & { report: (...args: unknown[]) => Promise<void> } = {
    async deliver(address, deliveries, newest) {
      seen.calls.push({ address, bodies: deliveries.map(({ body }) => body), maxGuid: newest.maxGuid });
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
    log: (_, event) => void seen.events.push(event),
  };
  return { seen, made };
}

describe('delivery consumer', () => {
  it('makes one call a target, whatever the number of jobs, and acknowledges what was delivered', async () => {
    const messages = [
      message(encodeJob(job([{ bodies: bodies('a', 'b'), legs: [leg(2), leg(3)] }]))),
      message(encodeJob(job([{ bodies: bodies('c'), legs: [leg(3)] }]))),
    ];
    const { seen, made } = ports();
    await consume(messages, made);
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

  it('sends back only what failed, with a growing pause', async () => {
    const { seen, made } = ports({ 'local:/n/3': new Error('gone') });
    for (const tries of [0, 1, 2]) {
      const one = message(encodeJob(job([{ bodies: bodies('a', 'b'), legs: [leg(2), leg(3), leg(4)] }], tries)));
      await consume([one], made);
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
    await consume([message(encodeJob(job([{ bodies: bodies('a', 'b', 'c'), legs: [leg(2), leg(3)] }])))], made);
    const [sent] = seen.resent;
    expect(sent?.job.bundles).toEqual([{ bodies: bodies('b'), legs: [leg(2)], hops: 1, attempt: 0 }]);
  });

  it('gives up after the last try, to the dead letters and not to nobody', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone') });
    const one = message(encodeJob(job([{}], TRIES_MAX - 1)));
    await consume([one], made);
    expect(seen.resent).toEqual([]);
    expect(seen.buried.map(({ bundles }) => bundles[0]?.legs[0]?.to)).toEqual([2]);
    expect(one.acked).toBe(1);
    expect(seen.events).toContain('job_given_up');
  });

  it('leaves a message in the queue when what is left of it cannot be sent back', async () => {
    const { seen, made } = ports({ 'local:/n/2': new Error('gone') });
    seen.queueFails = true;
    const one = message(encodeJob(job([{}])));
    await consume([one], made);
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
    await consume([...poison, sound], made);
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
    await consume(messages, made);
    expect(order).toEqual(['deliver', 'ack 1', 'deliver', 'ack 2', 'deliver', 'ack 3']);
  });

  it('tells the target of the sender that knows most', async () => {
    const newer = { ...job([{}]), from: { guid: 5, address: 'local:/n/5', maxGuid: 40 } };
    const { seen, made } = ports();
    await consume([message(encodeJob(job([{}]))), message(encodeJob(newer))], made);
    expect(seen.calls.map(({ maxGuid }) => maxGuid)).toEqual([40]);
  });

  it('cuts what one target gets into calls of bounded size', async () => {
    const many = Array.from({ length: 1_500 }, (_, index) => `m${index}`);
    const jobs = [0, 1].map((part) =>
      message(encodeJob(job([{ bodies: bodies(...many.map((name) => `${part}${name}`)) }]))),
    );
    const { seen, made } = ports();
    await consume(jobs, made);
    expect(seen.calls.map(({ bodies: got }) => got.length)).toEqual([2_000, 1_000]);
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
    const large = job([{ bodies: bodies('x'.repeat(60_000)) }]);
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
