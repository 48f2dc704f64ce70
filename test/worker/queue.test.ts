// The real queue: what can't be delivered comes back to its sender by way of the dead letters, and nothing else is held up.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/protocol/job.ts';
import type { Sealed } from '../../src/protocol/seal.ts';
import { sendJobs } from '../../src/queue/producer.ts';
import { atRest, bindings, broadcast, callsOf, eventually, everywhere, serve, startNetwork } from './support.ts';
import { bodyAt } from './bodies.ts';

beforeAll(() => startNetwork());

async function sample(slot: number, result: string): Promise<number> {
  const samples = await callsOf(slot).samples();
  return samples.find(({ name, labels }) => name === 'pychain_legs_total' && labels['result'] === result)?.value ?? 0;
}

async function arrivals(slot: number): Promise<number> {
  const samples = await callsOf(slot).samples();
  return samples.filter(({ name }) => name === 'pychain_deliveries_total').reduce((sum, { value }) => sum + value, 0);
}

/** What the boot node counted of messages that are no jobs. */
async function unreadable(): Promise<number> {
  const response = await serve('/api/v1/metrics');
  return Number(/pychain_jobs_unreadable_total (\d+)/.exec(await response.text())?.[1]);
}

function job(body: Sealed, slots: readonly number[], tries: number): Job {
  const legs = slots.map((slot) => {
    return { to: slot, address: `local:/n/${slot}`, range: { from: slot, to: slot - 1 }, outside: null };
  });
  const from = { guid: 2, address: 'local:/n/2', maxGuid: 16 };
  return { network: 'test', from, bundles: [{ bodies: [body], legs, hops: 1, attempt: 0, without: [] }], tries };
}

async function jobsOf(slot: number): Promise<number> {
  const samples = await callsOf(slot).samples();
  return samples.find(({ name }) => name === 'pychain_queue_jobs_total')?.value ?? 0;
}

describe('queue', () => {
  it('is for what comes together: a message that is alone is brought by its originator', async () => {
    const before = await atRest(() => jobsOf(5));
    await everywhere([await broadcast(5, { it: 'is alone' })]);
    expect(await jobsOf(5)).toBe(before);
    const given = Array.from({ length: 10 }, (_, index) => broadcast(5, { index }));
    await everywhere(await Promise.all(given));
    // Told when it is stored how far they were handed over.
    await eventually('their jobs are counted', async () => (await jobsOf(5)) > before);
  });

  it('the sender hears of a leg that could not be delivered, and the others are delivered', async () => {
    const id = await broadcast(2, { to: 'nobody' });
    await everywhere([id]);
    const body = await bodyAt(2, id);
    const calls = await arrivals(7);
    // Slot 99 does not exist: node 2 is told, and has nobody in that range to hand it to.
    await sendJobs(bindings.DELIVERIES, [job(body, [99, 7], 0)]);
    await eventually('the sender hears of it', async () => (await sample(2, 'undeliverable')) === 1);
    await eventually('the other leg arrived', async () => (await arrivals(7)) > calls);
    // The message is where it was: node 2 has it, and owes nobody who exists anything.
    expect(await callsOf(2).message(id)).not.toBeNull();
  });

  it('a message in the queue that is no job is counted, and holds nothing up', async () => {
    const before = await unreadable();
    await bindings.DELIVERIES.send('poison', { contentType: 'text' });
    const id = await broadcast(3, { after: 'poison' });
    await everywhere([id]);
    await eventually('it is counted', async () => (await unreadable()) > before);
    expect(await unreadable()).toBe(before + 1);
  });
});
