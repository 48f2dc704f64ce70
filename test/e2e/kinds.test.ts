// One network of nodes of every kind: of the deployment with the boot node, of another one, and on servers of their own. `npm run coverage` runs
// the same at any size.
import { expect, it } from 'vitest';
import { measureCoverage } from '../../bench/coverage.ts';
import { measureRestart } from '../../bench/restart.ts';
import { seededRandom } from '../support/network.ts';

const KINDS = ['boot deployment', 'deployment', 'Node.js'];
const SIZES = { deployments: 2, nodes: 2, peers: 2, fanout: 2 };

it('every message is at every node, once, within the bound of hops, whichever kind sends it', async () => {
  const run = await measureCoverage({ ...SIZES, single: 6, atOnce: 6 }, seededRandom(31));
  expect(run).toMatchObject({ nodes: 6, messages: 12, missing: 0, deliveriesPerNode: 1, trouble: [] });
  expect(run.kinds).toMatchObject(KINDS.map((kind) => ({ kind, messages: 4, missing: 0, deliveriesPerNode: 1 })));
  expect(run.hopsMax).toBeLessThanOrEqual(run.hopsBound);
});

it.each([false, true])(
  'a deployment (with the boot node: %s) and a server are killed and started again while all broadcast: all is everywhere',
  async (isBootKilled) => {
    const options = { ...SIZES, messages: 24, interval: 1, jitter: 1, isBootKilled };
    const run = await measureRestart(options, seededRandom(32));
    expect(run).toMatchObject({ nodes: 6, accepted: 24, missing: 0, guidChanges: 0, trouble: [] });
    // Some were given while the killed were away.
    expect(run.acceptedWhileDown).toBeGreaterThan(0);
  },
);
