// js-libp2p GossipSub on loopback, for `npm run bench`: N nodes in this process, with the library's defaults but for limits on connections
// from one address, which all have here. Each node dials the next and a few at random, as a network with a bootstrap list would. Talks as
// under-way.mjs says, after `{"ready":true, pids}`.
import { setTimeout as sleep } from 'node:timers/promises';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { say, serve, UnderWay } from './under-way.mjs';

const NODES = Number(process.argv[2]);
const TOPIC = 'bench';
/** Connections that each node opens: with those it accepts, about D_high (12) peers each for the mesh to choose from. */
const DIALS = 6;

const underWay = new UnderWay(NODES);

const nodes = [];
for (let index = 0; index < NODES; index++) {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      inboundConnectionThreshold: Infinity,
      maxIncomingPendingConnections: Infinity,
      maxConnections: 10_000,
    },
    services: { identify: identify(), pubsub: gossipsub({ scoreParams: { IPColocationFactorWeight: 0 } }) },
  });
  node.services.pubsub.subscribe(TOPIC);
  node.services.pubsub.addEventListener('message', (event) => {
    const { data } = event.detail;
    underWay.came(Buffer.from(data.subarray(0, 16)).toString().trim(), index + 1);
  });
  nodes.push(node);
}
let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
for (const [index, node] of nodes.entries()) {
  const others = new Set([(index + 1) % NODES]);
  while (others.size < Math.min(DIALS, NODES - 1)) others.add(Math.floor(random() * NODES));
  others.delete(index);
  for (const other of others) await node.dial(nodes[other].getMultiaddrs());
}
// Until every node has a mesh.
for (
  let waited = 0;
  nodes.some((node) => node.services.pubsub.getMeshPeers(TOPIC).length < Math.min(4, NODES - 1));
  waited++
) {
  if (waited > 300) throw new Error('no mesh within 30 s');
  await sleep(100);
}
await sleep(3_000);
say({ ready: true, pids: [process.pid] });

await serve(underWay, async ({ node, bytes, key }) => {
  // The library does not give its originator a message.
  underWay.came(key, node);
  const data = Buffer.alloc(bytes, 'x');
  data.write(key.padEnd(16));
  await nodes[node - 1].services.pubsub.publish(TOPIC, data);
});
process.exit(0);
