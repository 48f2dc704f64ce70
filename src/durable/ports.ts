// What the queue's consumers and the cron tick need of this deployment's objects.
import type { Config } from '../config.ts';
import type { TickPorts } from '../cron/tick.ts';
import { IMPATIENT_MS, PATIENT_MS, SURVEY_CALLS_MAX } from '../protocol/limits.ts';
import { BOOT_GUID } from '../protocol/types.ts';
import type { ConsumerPorts } from '../queue/consumer.ts';
import type { DeadLetterPorts } from '../queue/dead-letters.ts';
import { DELIVER_TIMEOUT_MS, Patience } from '../queue/patience.ts';
import { sendJobs } from '../queue/producer.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';
import type { LiveNode } from '../shell/live-node.ts';
import type { Log } from '../shell/log.ts';
import { peerClient } from '../shell/outside.ts';
import { nodeStub, slotOf } from './stubs.ts';
import { Deadlines } from '../shell/deadlines.ts';
import { withTimeout } from '../shell/timeout.ts';

/** How long a node may take to wake, which includes its join: one that hangs must not keep the tick from the others. */
const WAKE_TIMEOUT_MS = 15_000;

/** A boot object that hangs must not keep nodes asleep. */
const BOOT_TIMEOUT_MS = 5_000;

/** Asking the nodes goes on by itself, and the next tick looks again. */
const SURVEY_TIMEOUT_MS = 30_000;

/** What this isolate has found out; another one has to wait once, too. */
const patience = new Patience();

/** Ports of the consumer of deliveries to this deployment's own nodes. */
export function insidePorts(env: Env, config: Config, log: Log): ConsumerPorts {
  const deadlines = new Deadlines();
  return {
    async deliver({ address }, deliveries, newest) {
      const slot = slotOf(address, config);
      if (slot === null) throw new Error(`${address} is not a node of this deployment`);
      const began = Date.now();
      const limit = patience.limit(address, began);
      try {
        const outcomes = await deadlines.limit(nodeStub(env, slot).deliver(deliveries, newest), limit, 'delivery');
        patience.answered(address);
        return outcomes;
      } catch (cause) {
        patience.failed(address, began, Date.now());
        throw cause;
      }
    },
    resend: (jobs, delaySeconds) => sendJobs(env.DELIVERIES, jobs, delaySeconds),
    bury: (jobs) => sendJobs(env.DEAD_LETTERS, jobs),
    async report(sender, legs) {
      // The boot node has no mempool to repair from: what it announced reaches members by sync.
      if (sender.guid === BOOT_GUID) return log('announcement_lost', { legs: legs.length });
      const slot = slotOf(sender.address, config);
      if (slot === null) {
        // Nobody is left to repair it: NODE_COUNT was lowered, or the deployment has moved.
        log('sender_gone', { address: sender.address, legs: legs.length });
        return await countLost(env, config, legs.length);
      }
      await nodeStub(env, slot).undeliverable(legs, 'no answer');
    },
    unreadable: () => countLost(env, config, 1),
    now: () => Date.now(),
    rest: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
    log,
  };
}

/** Ports of a node that delivers what it sends itself. */
export function senderPorts(node: Pick<LiveNode, 'undeliverable'>, env: Env, config: Config, log: Log): ConsumerPorts {
  return { ...insidePorts(env, config, log), report: (_sender, legs) => node.undeliverable(legs, 'no answer') };
}

/** Counted at the boot object; where there is none here the log has them. */
async function countLost(env: Env, config: Config, count: number): Promise<void> {
  if (config.bootNode === null) await bootFacade(env).countLost(count);
}

/** Ports of the consumer of deliveries to peers outside: in the name of the node that sends, which keeps its key to itself. */
export function outsidePorts(env: Env, config: Config, log: Log): ConsumerPorts {
  const client = peerClient(config);
  return {
    ...insidePorts(env, config, log),
    async deliver({ to, address, outside }, deliveries, newest) {
      const slot = slotOf(newest.address, config);
      if (!outside || slot === null) throw new Error(`${address} is not a peer outside, or its sender is gone`);
      const sender = nodeStub(env, slot);
      const self = await withTimeout(sender.credential(), DELIVER_TIMEOUT_MS, 'sender');
      if (!self) throw new Error('the sender has no certificate');
      const signer = { publicKey: self.publicKey, sign: (base: Uint8Array) => sender.signRequest(base) };
      const from = { signer, credential: self.credential };
      const peer = { guid: to, address, publicKey: outside.publicKey };
      const timeoutMs = outside.isTrusted ? PATIENT_MS : IMPATIENT_MS;
      const outcomes = await client.deliver(peer, deliveries, newest.maxGuid, from, timeoutMs);
      // It is there: what else it gets depends on it.
      await sender.reached([to]);
      return outcomes;
    },
    resend: (jobs, delaySeconds) => sendJobs(env.OUTBOUND, jobs, delaySeconds),
  };
}

/** Ports of the dead letters' consumer. */
export function deadLetterPorts(env: Env, config: Config, log: Log): DeadLetterPorts {
  return insidePorts(env, config, log);
}

/** Ports of the cron tick. */
export function tickPorts(env: Env, config: Config, log: Log): TickPorts {
  const boot = bootFacade(env);
  return {
    nodeCount: config.nodeCount,
    async members() {
      if (config.bootNode !== null) return null;
      const { phase, allocated } = await withTimeout(boot.status(), BOOT_TIMEOUT_MS, 'boot object');
      if (phase !== 'surveying') return allocated;
      await withTimeout(boot.survey(SURVEY_CALLS_MAX), SURVEY_TIMEOUT_MS, 'survey');
      return (await withTimeout(boot.status(), BOOT_TIMEOUT_MS, 'boot object')).allocated;
    },
    async prepare(slot) {
      await withTimeout(nodeStub(env, slot).samples(), WAKE_TIMEOUT_MS, 'node');
    },
    async wake(slot) {
      await withTimeout(nodeStub(env, slot).wake(), WAKE_TIMEOUT_MS, 'node');
    },
    announce: () => boot.announce(env.DELIVERIES),
    log,
  };
}
