import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { openDurableSql } from '../../src/durable/durable-sql.ts';
import type { Env } from '../../src/durable/env.ts';
import type { NodeStore } from '../../src/protocol/store.ts';
import { openSqlBeaconStore } from '../../src/store/sql-beacon-store.ts';
import { openSqlBootStore } from '../../src/store/sql-boot-store.ts';
import { openSqlNodeStore } from '../../src/store/sql-node-store.ts';
import { describeBeaconStore, describeBootStore, describeNodeStore } from '../store/contract.ts';

const { NODES } = env as unknown as Env;

/** Runs with the storage of an object that nobody else uses. Its own tables go first. */
async function withStorage(use: (storage: DurableObjectStorage) => void): Promise<void> {
  const stub = NODES.get(NODES.newUniqueId());
  await runInDurableObject(stub, (_, state) => {
    for (const table of ['meta', 'roster', 'segments', 'repairs', 'nonces', 'timers', 'migrations']) {
      state.storage.sql.exec(`DROP TABLE ${table}`);
    }
    use(state.storage);
  });
}

const open = (storage: DurableObjectStorage): NodeStore => openSqlNodeStore(openDurableSql(storage));

describeNodeStore(
  'Durable Object',
  (use) => withStorage((storage) => use(open(storage))),
  (first, then) =>
    withStorage((storage) => {
      first(open(storage));
      then(open(storage));
    }),
);
describeBeaconStore('Durable Object', (use) =>
  withStorage((storage) => use(openSqlBeaconStore(openDurableSql(storage)))),
);
describeBootStore('Durable Object', (use) => withStorage((storage) => use(openSqlBootStore(openDurableSql(storage)))));
