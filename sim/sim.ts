// What all parts of a run share: time, chance, the plan, what happened last, and the first rule that was broken.
import type { Millis } from '../src/protocol/types.ts';
import { Agenda } from './agenda.ts';
import type { Hooks } from './hooks.ts';
import { drawPlan, type Overrides, type Plan } from './plan.ts';
import { Random } from './random.ts';

const START: Millis = 1_700_000_000_000;
const HISTORY_MAX = 40;
const HEALTHY_LATENCY_MS: Millis = 100;

export interface Violation {
  readonly rule: string;
  readonly detail: string;
  readonly atMs: Millis;
}

export interface Stats {
  messages: number;
  deliveries: number;
  duplicates: number;
  busy: number;
  rejected: number;
  sends: number;
  hopsMax: number;
  crashes: number;
  failedCommits: number;
  pauses: number;
  partitions: number;
  refusals: number;
  lost: number;
  healMs: number;
  /** Accepted messages times nodes that do not have them at the end. */
  unreached: number;
}

export class Sim {
  readonly seed: number;
  readonly random: Random;
  readonly plan: Plan;
  readonly hooks: Hooks;
  readonly agenda = new Agenda(START);
  readonly stats: Stats = {
    messages: 0,
    deliveries: 0,
    duplicates: 0,
    busy: 0,
    rejected: 0,
    sends: 0,
    hopsMax: 0,
    crashes: 0,
    failedCommits: 0,
    pauses: 0,
    partitions: 0,
    refusals: 0,
    lost: 0,
    healMs: 0,
    unreached: 0,
  };
  /** Whether faults happen: not before everybody has joined, and not after the network was healed. */
  faulty = false;
  violation: Violation | null = null;
  readonly #history: string[] = [];

  /** `plan`: what the run is like, where it is not drawn. */
  constructor(seed: number, overrides: Overrides, hooks: Hooks, plan: Plan | null = null) {
    this.seed = seed;
    this.random = new Random(seed);
    this.plan = plan ?? drawPlan(this.random, overrides);
    this.hooks = hooks;
  }

  get now(): Millis {
    return this.agenda.now;
  }

  /** Since the run began. */
  get elapsed(): Millis {
    return this.now - START;
  }

  get history(): readonly string[] {
    return this.#history;
  }

  later(ms: Millis, run: () => void): void {
    this.agenda.at(this.now + Math.max(0, Math.round(ms)), run);
  }

  /** Whether a fault of this probability happens now. */
  hits(probability: number): boolean {
    return this.faulty && this.random.chance(probability);
  }

  latency(): Millis {
    // A healthy network answers within the patience that a peer which is not trusted yet is given.
    const max = this.faulty ? this.plan.latencyMs : Math.min(this.plan.latencyMs, HEALTHY_LATENCY_MS);
    return 1 + Math.round(this.random.next() * max);
  }

  note(text: string): void {
    if (this.#history.length >= HISTORY_MAX) this.#history.shift();
    this.#history.push(`${(this.elapsed / 1000).toFixed(3).padStart(10)} ${text}`);
  }

  /** A rule was broken: the first one ends the run. */
  violate(rule: string, detail: string): void {
    this.violation ??= { rule, detail, atMs: this.elapsed };
  }

  run(ms: Millis): void {
    this.agenda.runUntil(this.now + ms, () => this.violation !== null);
  }
}
