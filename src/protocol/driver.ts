// The driver: the one way into the node machine, shared by the Durable Object, the Node.js peer and the simulator. It runs each
// input in one transaction, then tells the host what the transaction left to do. It never waits: what the host starts comes
// back as an input. A crash between the two is what the store's outbox, repairs and timers are for.
import type { ProtocolConfig } from './config.ts';
import { Counters, type CounterNote } from './counters.ts';
import type { Context, Effect, Input, Reply } from './effects.ts';
import { handle } from './node.ts';
import { NodeState, type Self } from './node-state.ts';
import type { BlockReader } from './peer-blocks.ts';
import type { NodeStore } from './store.ts';
import type { Millis } from './types.ts';

/** What a shell does for a node. None of it may call back into the driver before it has returned. */
export interface Host {
  now(): Millis;
  /** Uniform in [0, 1). */
  random(): number;
  /** Called after each input that changed it: ring at the earliest timer; null: no alarm. */
  setAlarm(at: Millis | null): void;
  perform(effect: Effect): void;
  /** Called after each input that stored messages, for hosts that have readers to tell. */
  arrived?(): void;
}

export interface DriverOptions {
  readonly store: NodeStore;
  readonly config: ProtocolConfig;
  readonly self: Self;
  readonly host: Host;
  /** Reads the roster's rows, where they are not what this code wrote: simulated nodes share what they all know. */
  readonly readBlock?: BlockReader | undefined;
}

export class Driver {
  readonly #options: DriverOptions;
  #self: Self;
  readonly #counters: Counters;
  #state: NodeState | null = null;
  #alarm: Millis | null | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#self = options.self;
    this.#counters = new Counters(options.store.notes());
  }

  /** For reading only: what is changed outside of an input is not stored. */
  get state(): NodeState {
    const { store, config, readBlock } = this.#options;
    this.#state ??= new NodeState(store, config, this.#counters, readBlock);
    return this.#state;
  }

  /** What rules may look at now. For shells that prepare an input, such as a message to sign: nothing may be changed with it. */
  context(): Context {
    const { config, host } = this.#options;
    return { now: host.now(), rng: () => host.random(), config, self: this.#self, state: this.state };
  }

  /**
   * One input: handled whole or, where it throws (our own bug, or a store that cannot write), not at all; then the state is
   * loaded anew from the store.
   */
  submit(input: Input): Reply {
    const { store, host } = this.#options;
    let reply: Reply;
    let effects: readonly Effect[];
    let noted: CounterNote | null = null;
    let settled = 0;
    const note = (rows: number) => {
      // After an alarm the next is set, which is a row. After other inputs it may be set already, in an earlier life.
      const setsAlarm = input.type === 'alarm' && this.state.timers.earliest() !== null;
      noted = this.#counters.draftNote(rows + Number(setsAlarm));
      settled = this.state.settled;
      return JSON.stringify({ ...noted, settled });
    };
    const { lastSeq } = this.state.mempool;
    try {
      ({ reply, effects } = store.transaction(() => handle(this.context(), input), note));
    } catch (cause) {
      this.#state = null;
      throw cause;
    }
    if (noted !== null) {
      this.#counters.noted(noted);
      this.state.settledNoted(settled);
    }
    const alarm = this.state.timers.earliest();
    if (alarm !== this.#alarm) {
      this.#alarm = alarm;
      host.setAlarm(alarm);
    }
    for (const effect of effects) host.perform(effect);
    if (this.state.mempool.lastSeq > lastSeq) host.arrived?.();
    return reply;
  }

  /** What the node says of itself has changed: it is signed anew, with a higher incarnation. */
  rename(self: Self): void {
    this.#self = self;
  }

  /** The alarm rang and is spent: the next one must be set even if it is for the same moment. */
  alarmRang(): Reply {
    this.#alarm = undefined;
    return this.submit({ type: 'alarm' });
  }
}
