// Server-Sent Events (WHATWG HTML, section 9.2), as much of them as the stream uses: the data of each event.
import { unexpected } from './error.ts';

/** Longest event, characters (guess: a node's are about 64 KiB, or one message that is longer). */
const EVENT_CHARS_MAX = 4_000_000;

export class EventParser {
  #rest = '';
  #data: string[] = [];
  #chars = 0;

  /** The data of the events that end in this piece of text. Throws where one is longer than any of a node. */
  push(text: string): string[] {
    // A CR at the very end may be half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    const events: string[] = [];
    for (const line of lines) {
      if (line === '' && this.#data.length > 0) {
        events.push(this.#data.join('\n'));
        this.#data = [];
        this.#chars = 0;
      }
      // Comments and all other fields say nothing that the data does not.
      const [, data] = /^data: ?(.*)$/s.exec(line) ?? [];
      if (data === undefined) continue;
      this.#data.push(data);
      this.#chars += data.length;
    }
    if (this.#rest.length + this.#chars > EVENT_CHARS_MAX) {
      throw unexpected(`an event of the stream is longer than ${EVENT_CHARS_MAX} characters`);
    }
    return events;
  }
}
