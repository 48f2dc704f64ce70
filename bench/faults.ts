// A local network whose nodes, and beacon, can be made to hang or to fail, one by one.
import { join } from 'node:path';
import { startMeasured, type Measured } from './network.ts';

const FAULTY_WORKER = join(import.meta.dirname, '../test/worker/faulty-worker.ts');

/** `hang`: the node takes calls and does not answer. `fail`: each call of it throws. `off`: it is well again. */
export type Fault = 'hang' | 'fail' | 'off';

export interface FaultyNetwork extends Measured {
  fault(slot: number | 'beacon', fault: Fault): Promise<void>;
}

/** Like `startMeasured`, with a Worker that has the switch. */
export async function startFaulty(nodes: number, vars: Readonly<Record<string, string>>): Promise<FaultyNetwork> {
  const network = await startMeasured(nodes, vars, { entry: FAULTY_WORKER });
  const fault = async (slot: number | 'beacon', wanted: Fault) => {
    const response = await fetch(`${network.url}/fault/${slot}/${wanted}`);
    if (response.status !== 204) throw new Error(`the switch of ${slot} answered ${response.status}`);
  };
  return { ...network, fault };
}
