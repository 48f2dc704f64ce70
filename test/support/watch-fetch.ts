// Every answer of an API that a test in Node.js gets by `fetch`, itself or by what it calls, is held against the document: vitest.config.ts loads this before
// each file of tests. A fault fails the test, not the call: whoever made it may take an error for a peer that is down.
import { afterAll, afterEach, expect } from 'vitest';
import { checkAnswer } from './answers.ts';

const FAULTS_TOLD = 10;
const checks: Promise<string | null>[] = [];
const strangers = new Set<string>();

/** Leaves out a server that has paths of an API and is none: a double, with the answers that a test needs. Gives the URL back. */
export function isNoneOfOurs(url: string): string {
  strangers.add(new URL(url).origin);
  return url;
}

/** Has an answer checked: `afterEach` waits for it. */
export function watch(...answer: Parameters<typeof checkAnswer>): void {
  const [input] = answer;
  if (strangers.has(new URL(input instanceof Request ? input.url : input).origin)) return;
  checks.push(
    checkAnswer(...answer).then(
      () => null,
      (cause: Error) => cause.message,
    ),
  );
}

/** What was found since it was last asked: a few, since each poll may have found the same. */
export async function faultsFound(): Promise<string[]> {
  const found = (await Promise.all(checks.splice(0))).filter((fault) => fault !== null);
  return [...new Set(found)].slice(0, FAULTS_TOLD);
}

const plain = globalThis.fetch;
// Files of tests may share one process. The last hook of a file, since hooks after it run in the opposite order.
afterAll(() => void (globalThis.fetch = plain));
globalThis.fetch = async (input, init) => {
  const response = await plain(input, init);
  watch(input, init, response);
  return response;
};

const expectNone = async () => expect(await faultsFound(), 'answers that are not as the document says').toEqual([]);
afterEach(expectNone);
afterAll(expectNone);
