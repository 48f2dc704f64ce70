// What the queue's consumers and the cron tick need of this deployment's objects.
import type { Config } from '../config.ts';
import type { TickPorts } from '../cron/tick.ts';
import { BOOT_GUID } from '../protocol/types.ts';
import type { ConsumerPorts } from '../queue/consumer.ts';
import type { DeadLetterPorts } from '../queue/dead-letters.ts';
import { sendJobs } from '../queue/producer.ts';
import { bootFacade } from './boot-facade.ts';
import type { Env } from './env.ts';
import type { Log } from './log.ts';
import { nodeStub, slotOf } from './stubs.ts';
import { withTimeout } from './timeout.ts';

/** A delivery is stored before it is answered; a node that takes longer than this is not well. */
const DELIVER_TIMEOUT_MS = 10_000;

/** A boot object that hangs must not keep nodes asleep. */
const BOOT_TIMEOUT_MS = 5_000;

/** Ports of the deliveries' consumer. */
export function consumerPorts(env: Env, config: Config, log: Log): ConsumerPorts {
  return {
    async deliver(address, deliveries, newest) {
      const slot = slotOf(address, config);
      if (slot === null) throw new Error(`${address} is not a node of this deployment`);
      return await withTimeout(nodeStub(env, slot).deliver(deliveries, newest), DELIVER_TIMEOUT_MS, 'delivery');
    },
    resend: (jobs, delaySeconds) => sendJobs(env.DELIVERIES, jobs, delaySeconds),
    bury: (jobs) => sendJobs(env.DEAD_LETTERS, jobs),
    unreadable: () => bootFacade(env).countLost(1),
    log: (level, event, fields) => log(level, 'mempool', event, fields),
  };
}

/** Ports of the dead letters' consumer. */
export function deadLetterPorts(env: Env, config: Config, log: Log): DeadLetterPorts {
  const { unreadable, log: logEvent } = consumerPorts(env, config, log);
  return {
    async report(sender, legs) {
      // The boot node has no mempool to repair from: what it announced reaches members by sync.
      if (sender.guid === BOOT_GUID) return log('WARNING', 'network_sync', 'announcement_lost', { legs: legs.length });
      const slot = slotOf(sender.address, config);
      if (slot === null) {
        // Nobody is left to repair it: NODE_COUNT was lowered, or the deployment has moved.
        log('ERROR', 'mempool', 'sender_gone', { address: sender.address, legs: legs.length });
        return bootFacade(env).countLost(legs.length);
      }
      await nodeStub(env, slot).undeliverable(legs, 'the queue gave up');
    },
    unreadable,
    log: logEvent,
  };
}

/** Ports of the cron tick. */
export function tickPorts(env: Env, config: Config, log: Log): TickPorts {
  const boot = bootFacade(env);
  return {
    nodeCount: config.nodeCount,
    async members() {
      return (await withTimeout(boot.status(), BOOT_TIMEOUT_MS, 'boot object')).maxGuid;
    },
    async prepare(slot) {
      await nodeStub(env, slot).samples();
    },
    async wake(slot) {
      await nodeStub(env, slot).wake();
    },
    announce: () => boot.announce(env.DELIVERIES),
    log: (level, event, fields) => log(level, 'network_sync', event, fields),
  };
}
