// Broadcasts a message, and reads a node's messages until it comes: `node examples/client.mjs URL TOKEN`.
import { PychainClient } from 'pychain-edge';

const [url = 'http://127.0.0.1:8787/n/1', token] = process.argv.slice(2);
const client = new PychainClient({ url, token });

const { guid, network } = await client.status();
console.log(`node ${guid} of the network ${network}`);

const { cursor } = await client.messagePage();
const { id } = await client.broadcast({ hello: 'world' });
for await (const event of client.stream({ cursor })) {
  if (event.type !== 'messages') continue;
  for (const message of event.messages) console.log(message.originator.guid, JSON.stringify(message.data));
  if (event.messages.some((message) => message.id === id)) break;
}
