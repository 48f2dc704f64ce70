// What the beacon says, checked before it is believed. docs/protocol.md has the shapes.
import { list, nullable, number, shape, text, whole, believe, type Check } from '../../src/client/checks.ts';
import type { Aggregate } from '../state/figures.ts';
import type { Receipt, ReceiptsOf, Summary } from '../state/message-book.ts';

export type BeaconFrame =
  | { readonly type: 'hello'; readonly network: string; readonly members: number; readonly cursor: string }
  | { readonly type: 'receipts'; readonly cursor: string; readonly messages: readonly ReceiptsOf[] }
  | { readonly type: 'members'; readonly members: readonly (readonly [guid: number, state: string])[] }
  | { readonly type: 'gap' };

const SUMMARY = {
  id: text,
  originator: whole,
  broadcast_timestamp: number,
  members: whole,
  received: whole,
  missing: whole,
  t50: nullable(number),
  t95: nullable(number),
  t100: nullable(number),
  hops_max: whole,
  duplicates: whole,
};

export const summaryPage = shape<{ readonly messages: readonly Summary[]; readonly next: string | null }>({
  messages: list(shape<Summary>(SUMMARY)),
  next: nullable(text),
});

interface DetailedReceipt {
  readonly guid: number;
  readonly after: number;
  readonly hops: number;
  readonly from: number | null;
}

export const details = shape<Summary & { readonly receipts: readonly DetailedReceipt[] }>({
  ...SUMMARY,
  receipts: list(shape<DetailedReceipt>({ guid: whole, after: number, hops: whole, from: nullable(whole) })),
});

export const overall = shape<{ readonly network: string; readonly hour: Aggregate }>({
  network: text,
  hour: shape<Aggregate>({
    messages: whole,
    complete: whole,
    deliveries: whole,
    coverage: nullable(number) as Check<number>,
    t50: nullable(number),
    t95: nullable(number),
    deliveries_per_member: nullable(number) as Check<number>,
  }),
});

/** [guid, after, hops, from]: by hand, since there are thousands a second. */
const receipt: Check<Receipt> = (value) => {
  const isReceipt =
    Array.isArray(value) &&
    Number.isSafeInteger(value[0]) &&
    typeof value[1] === 'number' &&
    Number.isSafeInteger(value[2]) &&
    (value[3] === null || Number.isSafeInteger(value[3]));
  return isReceipt ? null : { path: '', expected: '[guid, after, hops, from]' };
};

const memberState: Check<readonly [number, string]> = (value) =>
  Array.isArray(value) && Number.isSafeInteger(value[0]) && typeof value[1] === 'string'
    ? null
    : { path: '', expected: '[guid, state]' };

const receiptsOf = shape<ReceiptsOf>({
  id: text,
  originator: whole,
  broadcast_timestamp: number,
  members: whole,
  duplicates: whole,
  receipts: list(receipt),
});

const FRAMES: Readonly<Record<BeaconFrame['type'], Check<object>>> = {
  hello: shape({ network: text, members: whole, cursor: text }),
  receipts: shape({ cursor: text, messages: list(receiptsOf) }),
  members: shape({ members: list(memberState) }),
  gap: shape({}),
};

/** Reads a frame of the beacon's stream; null for kinds that this page does not know. Throws a PychainError where it is none. */
export function readBeaconFrame(json: string): BeaconFrame | null {
  const value: unknown = JSON.parse(json);
  const { type } = believe(shape<{ readonly type: string }>({ type: text }), value, 'a frame of the beacon');
  const check = Object.hasOwn(FRAMES, type) ? FRAMES[type as BeaconFrame['type']] : null;
  return check && (believe(check, value, 'a frame of the beacon') as BeaconFrame);
}

/** The receipts of a message that was asked for. */
export function receiptsIn(message: Summary & { readonly receipts: readonly DetailedReceipt[] }): ReceiptsOf {
  const receipts = message.receipts.map(({ guid, after, hops, from }) => [guid, after, hops, from] as const);
  return { ...message, receipts };
}
