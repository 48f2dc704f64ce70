// What is measured: anything that broadcasts among N nodes.

/** A message that was sent. */
export interface Sent {
  /** When its originator was asked, Unix milliseconds. */
  readonly sentAt: number;
  /** What `arrivals` knows it by. */
  readonly key: string;
}

/** When messages were at the last node. */
export interface Arrived {
  /** Milliseconds from `sentAt` until all had it, of those that all have. */
  readonly times: readonly number[];
  /** Pairs of message and node that are missing. */
  readonly missing: number;
  /** When all were there, before it was read what is where; null where it can't be told. */
  readonly usage: Usage | null;
}

/** A network at rest. */
export interface Contender {
  readonly name: string;
  readonly nodes: number;
  /**
   * Has a node (from 1 to `nodes`) broadcast a message of so many bytes. Resolves when the node has taken it; rejects where it refuses, with
   * `TooLarge` where the network has no messages of this size.
   */
  send(node: number, bytes: number, index: number): Promise<Sent>;
  /**
   * The same with a message for each index, all in one request: all are taken, or it rejects. Where it is missing there is no such request, and
   * messages that are published together are published one right after the other.
   */
  sendTogether?(node: number, bytes: number, indexes: readonly number[]): Promise<Sent[]>;
  /** Waits until all have all of them, or `withinMs` is over. */
  arrivals(sent: readonly Sent[], withinMs: number): Promise<Arrived>;
  /**
   * Waits until the network is at rest after a message, without asking it anything: answers leave work behind (garbage) that the next message
   * would meet. Where it is missing, `arrivals` costs the network nothing, and is asked for each message.
   */
  settle?(): Promise<void>;
  /** CPU seconds and resident bytes of the processes of the network; null where they can't be told from others. */
  usage(): Usage | null;
  stop(): Promise<void>;
}

/** Thrown by `send`: it is no failure, but nothing to measure. */
export class TooLarge extends Error {}

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}
