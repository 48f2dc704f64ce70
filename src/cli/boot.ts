// `pychain boot`: backup and restore of what the boot node has given, so that no GUID is ever given twice.
import { readAllocation, writeAllocation } from '../protocol/allocation.ts';
import { BackupWriter, isPrivateKey, type BackupHead } from '../protocol/backup-file.ts';
import { mergeAllocation } from '../protocol/boot-restore.ts';
import { BACKUP_PAGE_MAX, GUID_MAX } from '../protocol/limits.ts';
import type { Allocation } from '../protocol/store.ts';
import { checkBackup, printLines, readBackup, writeLines } from './backup-lines.ts';
import type { BackupClient } from './client.ts';
import { CliError, EXIT, printable, type ExitCode } from './errors.ts';
import { Progress } from './progress.ts';
import type { BackupBegun, BackupCounts, BackupRecord } from './schemas.ts';
import { parseWhole } from './settings.ts';
import { findTarget, type TargetOptions } from './target.ts';

export interface BootOptions extends TargetOptions {
  readonly json: boolean;
}

export interface ExportOptions extends BootOptions {
  readonly out?: string | undefined;
  readonly withKey?: boolean | undefined;
}

export interface ImportOptions extends BootOptions {
  readonly dryRun?: boolean | undefined;
}

/** Writes a backup to a file, or to standard output. */
export async function exportBackup(options: ExportOptions): Promise<ExitCode> {
  const { out, withKey = false, json } = options;
  if (withKey && out === undefined && process.stdout.isTTY) {
    throw new CliError('--with-key: not to a terminal; give --out FILE, or redirect it to a file', EXIT.usage);
  }
  const { client } = await findTarget(options, process.env);
  const head = await client.backup.head(withKey);
  if (withKey && !isPrivateKey(head.private_key)) throw new CliError(`${client.url}: gave no key: too old a version?`);
  const lines = backupLines(client.backup, head);
  if (out === undefined) await printLines(lines);
  else await writeLines(out, lines);
  const facts = { allocations: head.count, max_guid: head.max_guid, with_key: withKey, ...(out && { file: out }) };
  if (out !== undefined && json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else process.stderr.write(`${head.count} allocations, highest GUID ${head.max_guid}${out ? `: ${out}` : ''}\n`);
  if (withKey) process.stderr.write('with the private key of the network: whoever reads it is the boot node\n');
  return EXIT.ok;
}

/** Takes a backup into the boot node. Nothing is written before all of the file fits. */
export async function importBackup(file: string, options: ImportOptions): Promise<ExitCode> {
  const { dryRun = false, json } = options;
  const { head, count } = await checkBackup(file);
  const { client } = await findTarget(options, process.env);
  const { backup } = client;
  // The boot node's own checks come first: whether it is of this network at all.
  const told = wireHead(head);
  const planned = await backup.begin(told, true);
  const plan = await compare(backup, file, count);
  const begun = dryRun ? planned : await backup.begin(told, false);
  const counts = dryRun ? plan : await send(backup, file, count);
  if (json) process.stdout.write(`${JSON.stringify({ ...counts, ...begun, dry_run: dryRun })}\n`);
  else for (const line of importLines(counts, begun, dryRun)) process.stdout.write(`${line}\n`);
  return EXIT.ok;
}

/** Sets from where on GUIDs are free, for a boot node that lost its storage and whose nodes do not all answer. */
export async function raiseFloor(guid: string, options: BootOptions): Promise<ExitCode> {
  const floor = parseWhole(guid, 1, GUID_MAX, 'GUID');
  const { client } = await findTarget(options, process.env);
  const raised = await client.backup.raiseFloor(floor);
  process.stdout.write(options.json ? `${JSON.stringify(raised)}\n` : `the next GUID is ${raised.max_guid + 1}\n`);
  return EXIT.ok;
}

/** The lines of a backup. What is given while it is made is above its highest GUID, and left out. */
async function* backupLines(client: BackupClient, head: BackupRecord): AsyncGenerator<string> {
  const writer = new BackupWriter();
  const { network, network_key: networkKey, private_key: privateKey = null, max_guid: maxGuid } = head;
  yield writer.head({ network, networkKey, privateKey, maxGuid }, head.count, head.exported_at);
  const progress = new Progress('allocations read');
  let count = 0;
  try {
    for await (const allocation of allocationsOf(client)) {
      if (allocation.guid > maxGuid) break;
      progress.at(++count, head.count);
      yield writer.entry(writeAllocation(allocation));
    }
  } finally {
    progress.end();
  }
  if (count !== head.count) throw new CliError('the boot node was restored while this was read: run it again');
  yield writer.end();
}

async function* allocationsOf(client: BackupClient): AsyncGenerator<Allocation> {
  for await (const json of client.allocations()) {
    const read = readAllocation(json);
    if (!read.ok) {
      const { field, message } = read.error;
      throw new CliError(printable(`the boot node has an allocation with a wrong ${field}: ${message}`));
    }
    yield read.value;
  }
}

/** What an import would change. Throws where an allocation contradicts one that is there, naming its line. */
async function compare(client: BackupClient, file: string, of: number): Promise<BackupCounts> {
  const byGuid = new Map<number, Allocation>();
  const byKey = new Map<string, Allocation>();
  const progress = new Progress('allocations compared');
  for await (const allocation of allocationsOf(client)) {
    byGuid.set(allocation.guid, allocation);
    byKey.set(allocation.publicKey, allocation);
  }
  const there = {
    byGuid: (guid: number) => byGuid.get(guid) ?? null,
    byKey: (publicKey: string) => byKey.get(publicKey) ?? null,
  };
  const counts = { new: 0, newer: 0, kept: 0 };
  let done = 0;
  for await (const { line, allocation } of readBackup(file)) {
    const merged = mergeAllocation(there, allocation);
    if (!merged.ok) throw new CliError(`${file}: line ${line}: ${merged.error.field}: ${merged.error.message}`);
    counts[merged.value.type]++;
    progress.at(++done, of);
  }
  progress.end();
  return counts;
}

/** Sends a file in batches. Where it breaks off no GUID is given until the same import, or a later backup's, has come to its end. */
async function send(client: BackupClient, file: string, of: number): Promise<BackupCounts> {
  const counts = { new: 0, newer: 0, kept: 0 };
  const progress = new Progress('allocations restored');
  let batch: Allocation[] = [];
  let done = 0;
  const flush = async (isLast: boolean) => {
    const took = await client.restore(batch.map(writeAllocation), isLast);
    for (const type of ['new', 'newer', 'kept'] as const) counts[type] += took[type];
    progress.at((done += batch.length), of);
    batch = [];
  };
  try {
    for await (const { allocation } of readBackup(file)) {
      if (batch.length === BACKUP_PAGE_MAX) await flush(false);
      batch.push(allocation);
    }
    await flush(true);
  } finally {
    progress.end();
  }
  return counts;
}

function wireHead({ network, networkKey, privateKey, maxGuid }: BackupHead): object {
  const secret = privateKey === null ? {} : { private_key: privateKey };
  return { network, network_key: networkKey, ...secret, max_guid: maxGuid };
}

function importLines(counts: BackupCounts, begun: BackupBegun, isDry: boolean): string[] {
  const would = isDry ? 'would be ' : '';
  const key = begun.key_replaced ? [`the network's key ${isDry ? 'would be' : 'is'} that of the backup`] : [];
  return [
    `${counts.new} allocations ${would}new, ${counts.newer} ${would}brought up to date, ${counts.kept} left as they are`,
    ...key,
    `the next GUID ${isDry ? 'would be' : 'is'} ${begun.max_guid + 1}`,
  ];
}
