// Where a mutation puts a known bug in: around the code under test, which is never edited.
import type { Effect, Input, Undeliverable } from '../src/protocol/effects.ts';
import type { NodeState } from '../src/protocol/node-state.ts';
import type { BootStore, NodeStore } from '../src/protocol/store.ts';
import type { Millis } from '../src/protocol/types.ts';
import type { Random } from './random.ts';

export interface Hooks {
  /** Before an input is handled; null swallows it. */
  readonly input?: (input: Input, random: Random) => Input | null;
  /** After an input was handled. */
  readonly handled?: (input: Input, state: NodeState) => void;
  /** Before an effect is performed; null swallows it. */
  readonly effect?: (effect: Effect, random: Random) => Effect | null;
  /** Whether the alarm is set. */
  readonly alarm?: (at: Millis | null, random: Random) => boolean;
  readonly store?: (store: NodeStore, random: Random) => NodeStore;
  /** The boot node was restarted. */
  readonly bootReopened?: (store: BootStore) => BootStore;
  /** What a sender is told. */
  readonly told?: (legs: readonly Undeliverable[]) => readonly Undeliverable[];
  /** The consumer acknowledges before it delivers. */
  readonly acksFirst?: boolean;
  /** What a sender's own attempt did not bring goes nowhere. */
  readonly forgetsLeft?: boolean;
  /** A node notes what it brings itself as handed over before it has brought it. */
  readonly settlesFirst?: boolean;
  /** Messages from outside are taken without a look at their signatures. */
  readonly believesAll?: boolean;
  /** Nobody wakes hosted nodes each minute. */
  readonly noCron?: boolean;
}
