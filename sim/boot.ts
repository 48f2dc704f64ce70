// The boot node in the simulator: the real rules and a store, announcements, outages and restarts, also between a commit and its answer.
import * as rules from '../src/protocol/boot.ts';
import { announcementJobs } from '../src/protocol/boot-announcing.ts';
import { certificateText } from '../src/protocol/signed-text.ts';
import type { Joined } from '../src/protocol/effects.ts';
import type { Job } from '../src/protocol/job.ts';
import { seal } from '../src/protocol/seal.ts';
import type { BootStore } from '../src/protocol/store.ts';
import type { Guid, Member, Millis, SelfRecord } from '../src/protocol/types.ts';
import { createMemoryBootStore } from '../src/store/memory-store.ts';
import { HOSTED_PREFIX } from './plan.ts';
import { keyOf, sign } from './signing.ts';
import type { Sim } from './sim.ts';

const ANNOUNCE_DELAY_MS = 300;

export interface BootPorts {
  send(jobs: readonly Job[]): boolean;
  /** A message of its own, for the books. */
  made(body: string): void;
  /** A GUID was given. */
  allocated(guid: Guid, publicKey: string): void;
}

export class SimBoot {
  isUp = true;
  readonly #sim: Sim;
  readonly #ports: BootPorts;
  #store: BootStore = createMemoryBootStore();
  #announcing = false;

  constructor(sim: Sim, ports: BootPorts) {
    this.#sim = sim;
    this.#ports = ports;
  }

  get maxGuid(): Guid {
    return this.#store.maxGuid();
  }

  outage(forMs: Millis): void {
    this.#sim.note(`boot node away for ${forMs / 1000} s`);
    this.isUp = false;
    this.#sim.later(forMs, () => this.restart());
  }

  restart(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.#store = this.#sim.hooks.bootReopened?.(this.#store) ?? this.#store;
  }

  /** Null: it does not answer, whatever it stored. */
  join(record: SelfRecord): Joined | string | null {
    if (!this.isUp) return null;
    const context = this.#context();
    const drafted = this.#store.transaction(() => rules.draftJoin(context, record));
    if (!drafted.ok) return drafted.error.reason;
    const { change } = drafted.value;
    let { allocation } = drafted.value;
    if (change !== null) {
      const { guid, publicKey, certificate } = allocation;
      const signature = sign(keyOf(0), certificateText(this.#sim.plan.config.network, guid, publicKey, certificate));
      allocation = { ...allocation, certificate: { ...certificate, signature } };
      this.#store.transaction(() => rules.commitJoin(context, { allocation, change }));
    }
    this.#ports.allocated(allocation.guid, allocation.publicKey);
    const answer = rules.joined(context, allocation);
    this.announceSoon();
    if (!this.#sim.hits(this.#sim.plan.crash)) return answer;
    this.outage(this.#sim.random.between(1_000, 30_000));
    return null;
  }

  announceSoon(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    this.#sim.later(ANNOUNCE_DELAY_MS, () => {
      this.#announcing = false;
      this.announce();
    });
  }

  announce(): void {
    if (!this.isUp) return;
    const context = this.#context();
    const found = rules.announcement(context);
    if (!found) return;
    const sealed = found.bodies.map((body) => seal(body, sign(keyOf(0), body)));
    for (const body of sealed) this.#ports.made(body);
    if (!this.#ports.send(announcementJobs(context, sealed))) return;
    // Whoever announces may die before it says so: then all is announced again.
    if (!this.#sim.hits(this.#sim.plan.crash)) {
      this.#store.transaction(() => rules.announced(this.#store, found.guids));
    }
  }

  /** Whether the boot node certified this record, as signatures would show. */
  certified({ guid, publicKey, certificate, address, signature }: Member): boolean {
    const text = certificateText(this.#sim.plan.config.network, guid, publicKey, certificate);
    return sign(keyOf(0), text) === certificate.signature && sign(publicKey, address) === signature;
  }

  #context(): rules.BootContext {
    return {
      now: this.#sim.now,
      rng: () => this.#sim.random.next(),
      config: { ...this.#sim.plan.config, hostedPrefix: HOSTED_PREFIX },
      address: 'https://net.example.org',
      networkKey: keyOf(0),
      secret: '00'.repeat(32),
      recentJoins: 0,
      store: this.#store,
    };
  }
}
