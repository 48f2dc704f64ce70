// How the beacon's messages are stored: many in a block, a block in one row, or a few where it is longer than a row may be. A block is written whole.
import { BEACON_BLOCK_MESSAGES_MAX, BEACON_BLOCK_RECEIPTS_MAX, SEGMENT_BYTES_MAX } from './limits.ts';
import { TrackedMessage, viewOf, type StoredFacts, type View } from './beacon-message.ts';
import type { TextTable } from './store.ts';
import type { Interval } from './sync.ts';

/** Rows that one text may take. */
const ROWS_A_TEXT = 64;

/** Texts of any length by number, over rows that are bounded. */
export class LongTexts {
  readonly #table: TextTable;
  readonly #rows = new Map<number, number>();

  constructor(table: TextTable) {
    this.#table = table;
  }

  /** All texts in ascending order of number. */
  load(): Map<number, string> {
    const texts = new Map<number, string>();
    for (const { id, body } of this.#table.all()) {
      const number = Math.floor(id / ROWS_A_TEXT);
      texts.set(number, (texts.get(number) ?? '') + body);
      this.#rows.set(number, (this.#rows.get(number) ?? 0) + 1);
    }
    return texts;
  }

  put(number: number, text: string): void {
    const rows = Math.max(1, Math.ceil(text.length / SEGMENT_BYTES_MAX));
    if (rows > ROWS_A_TEXT) throw new Error('assertion failed: a text of the beacon has bounds');
    for (let row = 0; row < rows; row++) {
      const body = text.slice(row * SEGMENT_BYTES_MAX, (row + 1) * SEGMENT_BYTES_MAX);
      this.#table.put(number * ROWS_A_TEXT + row, body);
    }
    this.#deleteFrom(number, rows);
    this.#rows.set(number, rows);
  }

  delete(number: number): void {
    this.#deleteFrom(number, 0);
    this.#rows.delete(number);
  }

  #deleteFrom(number: number, first: number): void {
    const rows = this.#rows.get(number) ?? 0;
    for (let row = first; row < rows; row++) this.#table.delete(number * ROWS_A_TEXT + row);
  }
}

/** Messages that are stored together, in the order in which they were heard of. */
export class Block {
  readonly number: number;
  readonly messages: TrackedMessage[];

  constructor(number: number, messages: TrackedMessage[] = []) {
    this.number = number;
    this.messages = messages;
  }

  get holders(): number {
    return this.messages.reduce((sum, message) => sum + message.holders, 0);
  }

  get isFull(): boolean {
    return this.messages.length >= BEACON_BLOCK_MESSAGES_MAX || this.holders >= BEACON_BLOCK_RECEIPTS_MAX;
  }

  /** A line that tells of views and messages, then a line a message with its receipts. */
  encode(): string {
    const views = new Map<View, number>();
    const stored = this.messages.map((message) => {
      const view = views.get(message.view) ?? views.size;
      views.set(message.view, view);
      return message.stored(view);
    });
    const head = {
      views: [...views.keys()].map(({ intervals }) => intervals),
      messages: stored.map(({ facts }) => facts),
    };
    return [JSON.stringify(head), ...stored.map(({ packed }) => packed)].join('\n');
  }

  /** Null where the text is damaged. */
  static decode(number: number, text: string): Block | null {
    const [head = '', ...lines] = text.split('\n');
    try {
      const told = JSON.parse(head) as { views: Interval[][]; messages: StoredFacts[] };
      const views = told.views.map(viewOf);
      if (lines.length !== told.messages.length) return null;
      const messages = told.messages.map((facts, index) => {
        const view = views[facts.view];
        if (!view) throw new Error('a view is missing');
        return TrackedMessage.restored(facts, view, lines[index] ?? '');
      });
      return new Block(number, messages);
    } catch {
      return null;
    }
  }
}
