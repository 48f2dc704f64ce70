// Composition root: which code answers which event. No logic.
import { createApp } from './api/app.ts';
import { formatConfigError, readConfig, type Config } from './config.ts';
import { tick } from './cron/tick.ts';
import { BeaconObject } from './durable/beacon-object.ts';
import { BootObject } from './durable/boot-object.ts';
import type { Env } from './durable/env.ts';
import { createGateways } from './durable/gateway.ts';
import { createLog, type Log } from './shell/log.ts';
import { NodeObject } from './durable/node-object.ts';
import { deadLetterPorts, insidePorts, outsidePorts, tickPorts } from './durable/ports.ts';
import { consume, INSIDE, OUTSIDE } from './queue/consumer.ts';
import { reportDeadLetters } from './queue/dead-letters.ts';
import { env as startEnv } from 'cloudflare:workers';

export { BeaconObject, BootObject, NodeObject };

/** Read once, when the Worker starts: a wrong value stops a deployment with one line that names it. */
const config = checkedConfig(startEnv as unknown as Record<string, unknown>);
const log = createLog('worker', config.logLevel);

/** Of requests: each node's own, of which there are no more than slots, the boot node and `worker`. */
const logs = new Map<string, Log>();

function logOf(node: string): Log {
  const known = logs.get(node) ?? createLog(node, config.logLevel);
  logs.set(node, known);
  return known;
}

let app: ReturnType<typeof createApp> | null = null;

export default {
  fetch(request, env, context) {
    app ??= createApp({
      gateways: createGateways(env, config),
      // Set by the platform; what a caller sends under this name does not reach a Worker. Peers on one machine share one address.
      config: { ...config, clientAddressHeader: config.protocol.localPeers ? null : 'CF-Connecting-IP' },
      log: (node, ...line) => logOf(node)(...line),
    });
    return app.fetch(request, env, context);
  },
  async scheduled(controller, env) {
    await tick(controller.cron, controller.scheduledTime, tickPorts(env, config, log));
  },
  async queue(batch, env) {
    // The name differs by deployment (wrangler.toml), its ending doesn't.
    if (batch.queue.endsWith('-dead-letters'))
      await reportDeadLetters(batch.messages, deadLetterPorts(env, config, log));
    else if (batch.queue.endsWith('-deliveries')) await consume(batch.messages, INSIDE, insidePorts(env, config, log));
    else if (batch.queue.endsWith('-outbound')) await consume(batch.messages, OUTSIDE, outsidePorts(env, config, log));
    else throw new Error(`no handler for the queue ${JSON.stringify(batch.queue)}`);
  },
} satisfies ExportedHandler<Env, unknown>;

function checkedConfig(environment: Readonly<Record<string, unknown>>): Config {
  const read = readConfig(environment);
  if (!read.ok) throw new Error(read.error.map(formatConfigError).join('; '));
  return read.value;
}
