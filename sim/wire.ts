// The network between places: requests and answers that are late or lost, and partitions. A place is a node's slot; 0 is where the
// deployment's queue and the boot node are.
import type { Millis } from '../src/protocol/types.ts';
import type { Sim } from './sim.ts';

type Place = number;

interface Partition {
  readonly side: ReadonlySet<Place>;
  /** Only what leaves the side is lost. */
  readonly oneWay: boolean;
}

export class Wire {
  readonly #sim: Sim;
  readonly #partitions = new Set<Partition>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  cut(side: ReadonlySet<Place>, oneWay: boolean, forMs: Millis): void {
    const partition = { side, oneWay };
    this.#partitions.add(partition);
    this.#sim.stats.partitions++;
    this.#sim.note(`partition ${[...side].join()}${oneWay ? ' one way' : ''} for ${forMs / 1000} s`);
    this.#sim.later(forMs, () => this.#partitions.delete(partition));
  }

  heal(): void {
    this.#partitions.clear();
  }

  /**
   * One call: `ask` runs where it arrives and answers when it likes, `done` is told once, null where no answer came in time. A lost answer
   * does not undo what was asked for.
   */
  call<T>(
    from: Place,
    to: Place,
    timeoutMs: Millis,
    ask: (answer: (reply: T | null) => void) => void,
    done: (reply: T | null) => void,
  ): void {
    const sim = this.#sim;
    let isDone = false;
    const end = (reply: T | null) => {
      if (isDone) return;
      isDone = true;
      done(reply);
    };
    sim.later(timeoutMs, () => end(null));
    this.#carry(from, to, () => ask((reply) => this.#carry(to, from, () => end(reply))));
  }

  #carry(from: Place, to: Place, arrive: () => void): void {
    const sim = this.#sim;
    if (from !== to && (sim.hits(sim.plan.loss) || this.#isCut(from, to))) {
      sim.stats.lost++;
      return;
    }
    sim.later(sim.latency(), arrive);
  }

  #isCut(from: Place, to: Place): boolean {
    for (const { side, oneWay } of this.#partitions) {
      if (side.has(from) !== side.has(to) && (!oneWay || side.has(from))) return true;
    }
    return false;
  }
}
