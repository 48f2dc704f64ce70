// The queue of a Node.js node: what is put into it is worked off, across processes and whatever the handler does.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JobTable, QueueFullError, type Lane } from '../../src/peer/job-table.ts';
import { openNodeSql, openPrivateSql } from '../../src/peer/node-sql.ts';
import { QueueWorker } from '../../src/peer/queue-worker.ts';
import type { QueueMessage } from '../../src/queue/consumer.ts';

const START = 1_700_000_000_000;

beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => void vi.useRealTimers());

function open(bytesMax?: number): JobTable {
  return new JobTable(openNodeSql(':memory:'), bytesMax);
}

interface Put {
  readonly lane?: Lane;
  readonly delaySeconds?: number;
  readonly isLimited?: boolean;
  readonly sent?: () => void;
}

async function put(table: JobTable, bodies: readonly string[], options: Put = {}): Promise<void> {
  const { lane = 'outbound', delaySeconds = 0, isLimited = true, sent = () => undefined } = options;
  const sender = table.sender(lane, isLimited, () => Date.now(), sent);
  await sender.sendBatch(bodies.map((body) => ({ body, contentType: 'text' as const, delaySeconds })));
}

const nothing = new Set<number>();
const due = (table: JobTable, lane: Lane = 'outbound', limit = 100) =>
  table.due(lane, Date.now(), nothing, limit).map(({ body }) => body);

describe('the table', () => {
  it('keeps lanes apart, in order, and gives what is due', async () => {
    const table = open();
    await put(table, ['a', 'b']);
    await put(table, ['later'], { delaySeconds: 2 });
    await put(table, ['dead'], { lane: 'dead-letters' });
    expect(due(table)).toEqual(['a', 'b']);
    expect(due(table, 'dead-letters')).toEqual(['dead']);
    expect(table.nextDue('outbound', nothing)).toBe(START);
    vi.setSystemTime(START + 2_000);
    expect(due(table)).toEqual(['a', 'b', 'later']);
    expect(due(table, 'outbound', 1)).toEqual(['a']);
  });

  it('takes no more than it may hold, and again once there is room', async () => {
    const table = open(10);
    await put(table, ['12345678']);
    await expect(put(table, ['123'])).rejects.toThrow(QueueFullError);
    expect(due(table)).toEqual(['12345678']);
    table.settle(table.due('outbound', Date.now(), nothing, 1), []);
    await put(table, ['123']);
    expect(table.size).toBe(1);
  });

  it('never refuses what is put back', async () => {
    const table = open(1);
    await put(table, ['long'], { isLimited: false });
    expect(due(table)).toEqual(['long']);
  });

  it('is there for the next process, for its owner alone, and knows how full it is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pychain-queue-'));
    const path = join(folder, 'queue.sqlite');
    const first = new JobTable(openPrivateSql(path, 'process'), 10);
    await put(first, ['12345678']);
    // Not closed, as after SIGKILL.
    const second = new JobTable(openPrivateSql(path, 'process'), 10);
    expect(due(second)).toEqual(['12345678']);
    expect(second.size).toBe(1);
    await expect(put(second, ['123'])).rejects.toThrow(QueueFullError);
    expect(statSync(path).mode & 0o077).toBe(0);
    first.close();
    second.close();
    rmSync(folder, { recursive: true });
  });
});

describe('the worker', () => {
  const failures: string[] = [];
  beforeEach(() => void failures.splice(0));

  async function work(table: JobTable, handle: (messages: readonly QueueMessage[]) => Promise<void>) {
    const failed = (reason: string) => void failures.push(reason);
    const worker = new QueueWorker({ table, lane: 'outbound', handle, failed, now: () => Date.now() });
    worker.look();
    await vi.advanceTimersByTimeAsync(0);
    return worker;
  }

  it('removes what is acknowledged, and brings the rest again', async () => {
    const table = open();
    await put(table, ['done', 'again', 'forgotten']);
    const seen: string[] = [];
    await work(table, async (messages) => {
      for (const message of messages) {
        seen.push(String(message.body));
        if (message.body === 'done' || seen.length > 3) message.ack();
        else if (message.body === 'again') message.retry({ delaySeconds: 60 });
      }
    });
    expect(seen).toEqual(['done', 'again', 'forgotten']);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(seen.slice(3)).toEqual(['forgotten']);
    await vi.advanceTimersByTimeAsync(31_000);
    expect(seen.slice(4)).toEqual(['again']);
    expect(table.size).toBe(0);
  });

  it('pauses after a handler that throws, says so, and loses nothing', async () => {
    const table = open();
    await put(table, ['a']);
    let calls = 0;
    await work(table, async (messages) => {
      if (++calls === 1) throw new Error('a bug');
      for (const message of messages) message.ack();
    });
    expect([calls, table.size, failures]).toEqual([1, 1, ['a bug']]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([calls, table.size]).toEqual([2, 0]);
  });

  it('goes on with what comes while a batch hangs', async () => {
    const table = open();
    await put(table, ['hangs']);
    const seen: string[] = [];
    const worker = await work(table, async (messages) => {
      seen.push(...messages.map(({ body }) => String(body)));
      if (messages[0]?.body === 'hangs') await new Promise(() => undefined);
      for (const message of messages) message.ack();
    });
    await put(table, ['next'], { sent: () => worker.look() });
    await vi.advanceTimersByTimeAsync(0);
    expect(seen).toEqual(['hangs', 'next']);
    expect(due(table)).toEqual(['hangs']);
  });

  it('that is halted touches nothing any more', async () => {
    const table = open();
    await put(table, ['a']);
    const ended = Promise.withResolvers<void>();
    const worker = await work(table, async (messages) => {
      await ended.promise;
      for (const message of messages) message.ack();
    });
    worker.halt();
    ended.resolve();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(due(table)).toEqual(['a']);
    expect(failures).toEqual([]);
  });
});
