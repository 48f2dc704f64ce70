// A node of a network inside this process, which says what comes: `node examples/node.mjs BOOT_URL ADDRESS`. Both may be on this machine.
import { startNode } from 'pychain-edge/node';

const [boot = 'http://127.0.0.1:8787', address = 'http://127.0.0.1:8090'] = process.argv.slice(2);
const { hostname, port } = new URL(address);
const isLocal = hostname === '127.0.0.1';

const node = await startNode({
  boot,
  address,
  listen: { port: isLocal ? Number(port) : 8080 },
  storageDir: './node',
  variables: isLocal ? { LOCAL_PEERS: 'on' } : {},
  onMessages: (messages) => {
    for (const { originator, data } of messages) console.log(originator.guid, JSON.stringify(data));
  },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void node.stop());

console.log(`GUID ${await node.joined()}`);
await node.client.broadcast({ event: { name: 'HELLO', args: { from: address } } });
