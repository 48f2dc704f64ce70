// What the processes of bench/peers/ share: JSON lines to and from bench/speed/peer-process.ts, and the count of which nodes have a message.
// A message is everywhere once all N nodes have it, its originator among them.
import { createInterface } from 'node:readline';

/** @param {object} line */
export const say = (line) => void process.stdout.write(`${JSON.stringify(line)}\n`);

export class UnderWay {
  /** When each message was sent, Unix milliseconds, and the nodes that have it. @type {Map<string, { at: number, had: Set<number> }>} */
  #messages = new Map();
  #nodes;
  #tell;

  /** @param {number} nodes @param {(line: { all: string, ms: number }) => void} tell */
  constructor(nodes, tell = say) {
    this.#nodes = nodes;
    this.#tell = tell;
  }

  /** @param {string} key @returns when it was sent, Unix milliseconds */
  begin(key) {
    const at = Date.now();
    this.#messages.set(key, { at, had: new Set() });
    return at;
  }

  /** @param {string} key */
  refused(key) {
    this.#messages.delete(key);
  }

  /** @param {string} key @param {number} node */
  came(key, node) {
    const message = this.#messages.get(key);
    if (!message || message.had.add(node).size < this.#nodes) return;
    this.#messages.delete(key);
    this.#tell({ all: key, ms: Date.now() - message.at });
  }

  /** Pairs of message and node that are missing. @param {readonly string[]} keys */
  missing(keys) {
    return keys.reduce((sum, key) => sum + this.#nodes - (this.#messages.get(key)?.had.size ?? this.#nodes), 0);
  }
}

/**
 * Does what the lines of standard input ask, until it ends: `{"send":{node, bytes, key}}` is answered with `{"taken":key, at}` or
 * `{"refused":key, why, tooLarge}`, and with `{"all":key, ms}` once the message is everywhere; `{"count":[key …]}` with `{"missing":n}` at once,
 * and with `{"rested":true}` once there is nothing left to do.
 *
 * @param {UnderWay} underWay
 * @param {(send: { node: number, bytes: number, key: string }) => Promise<unknown>} publish
 * @param {() => Promise<void>} rest until the network does nothing more for messages that are everywhere
 */
export async function serve(underWay, publish, rest = async () => undefined) {
  /** @param {{ node: number, bytes: number, key: string }} what */
  const send = async (what) => {
    const at = underWay.begin(what.key);
    try {
      await publish(what);
      say({ taken: what.key, at });
    } catch (error) {
      underWay.refused(what.key);
      say({
        refused: what.key,
        why: error instanceof Error ? error.message : String(error),
        tooLarge: error instanceof TooLarge,
      });
    }
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    if (asked.send) {
      void send(asked.send);
    } else {
      say({ missing: underWay.missing(asked.count) });
      await rest();
      say({ rested: true });
    }
  }
}

/** The network has no messages of this size. */
export class TooLarge extends Error {}
