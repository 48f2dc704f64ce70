// `pychain leave` and `pychain return`: has a node leave the network, or come back with its GUID.
import { EXIT, type ExitCode } from './errors.ts';
import { findNode, type TargetOptions } from './target.ts';

export interface LeaveOptions extends TargetOptions {
  readonly json: boolean;
}

/** The node tells all that it leaves; what it has accepted still goes to all. */
export function leave(node: string | undefined, options: LeaveOptions): Promise<ExitCode> {
  return setMember(node, false, options);
}

/** The node comes back, and asks for what it missed. */
export function comeBack(node: string | undefined, options: LeaveOptions): Promise<ExitCode> {
  return setMember(node, true, options);
}

async function setMember(text: string | undefined, isMember: boolean, options: LeaveOptions): Promise<ExitCode> {
  const { client, node } = await findNode(text, { isBootAllowed: false, slot: null }, options, process.env);
  const answer = await client.setMember(node, isMember);
  const guid = answer.guid === null ? 'without a GUID' : `GUID ${answer.guid}`;
  const who = node === 'own' ? `the node (${guid})` : `node ${node} (${guid})`;
  const line = isMember ? `${who} is a member again` : `${who} has left`;
  process.stdout.write(`${options.json ? JSON.stringify(answer) : line}\n`);
  return EXIT.ok;
}
