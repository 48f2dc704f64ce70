// `pychain leave` and `pychain return`: has a node leave the network, or come back with its GUID.
import { EXIT, type ExitCode } from './errors.ts';
import { findTarget, parseNode, type TargetOptions } from './target.ts';

export interface LeaveOptions extends TargetOptions {
  readonly json: boolean;
}

/** The node tells all that it leaves; what it has accepted still goes to all. */
export function leave(node: string, options: LeaveOptions): Promise<ExitCode> {
  return setMember(node, false, options);
}

/** The node comes back, and asks for what it missed. */
export function comeBack(node: string, options: LeaveOptions): Promise<ExitCode> {
  return setMember(node, true, options);
}

async function setMember(node: string, isMember: boolean, options: LeaveOptions): Promise<ExitCode> {
  const name = parseNode(node, false);
  const { client } = await findTarget(options, process.env);
  const answer = await client.setMember(name, isMember);
  const guid = answer.guid === null ? 'without a GUID' : `GUID ${answer.guid}`;
  const text = isMember ? `node ${name} (${guid}) is a member again` : `node ${name} (${guid}) has left`;
  process.stdout.write(`${options.json ? JSON.stringify(answer) : text}\n`);
  return EXIT.ok;
}
