// The file of a backup: JSON, a value a line. First a header, then the allocations in ascending order of GUID, last how many there were and
// the SHA-256 of all lines before, so that a file that was cut off or altered is refused as a whole. Read and written line by line:
// it may be larger than memory.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { readAllocation, type FieldFault } from './allocation.ts';
import { BACKUP_ALLOCATIONS_MAX, BACKUP_ENTRY_BYTES_MAX } from './limits.ts';
import { isGuid, isObject } from './message.ts';
import { parseJson } from './scan-json.ts';
import { isPublicKey } from './signed-text.ts';
import type { Allocation } from './store.ts';
import { err, ok, type Guid, type JsonObject, type JsonValue, type Result } from './types.ts';

/** The version of the file that this code reads and writes. */
export const BACKUP_FORMAT = 'pychain-boot-backup/1';

/** What a backup is of. */
export interface BackupHead {
  readonly network: string;
  /** The network's public key. */
  readonly networkKey: string;
  /** base64url of 32 bytes: the secret half. Null: not in this backup. */
  readonly privateKey: string | null;
  /** No GUID up to this one is free, whether its allocation is here or not. */
  readonly maxGuid: Guid;
}

/** A line that is wrong. `line` counts from 1. */
export interface LineFault extends FieldFault {
  readonly line: number;
}

const LINE_DEPTH_MAX = 4;
/** 32 bytes in base64url; the last character has two bits to spare. */
const PRIVATE_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const SHA_256 = /^[0-9a-f]{64}$/;

/** Whether a value has the form of a private key. */
export function isPrivateKey(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && PRIVATE_KEY.test(value);
}

/** Makes the lines of a file, each without its line break. */
export class BackupWriter {
  readonly #hash = sha256.create();
  #count = 0;

  /** The first line. `exportedAt` in Unix seconds. */
  head({ network, networkKey, privateKey, maxGuid }: BackupHead, count: number, exportedAt: number): string {
    const secret = privateKey === null ? {} : { private_key: privateKey };
    const said = { network, network_key: networkKey, ...secret, max_guid: maxGuid, count, exported_at: exportedAt };
    return this.#line({ format: BACKUP_FORMAT, ...said });
  }

  /** One allocation, as JSON. */
  entry(allocation: JsonObject): string {
    this.#count++;
    return this.#line(allocation);
  }

  /** The last line. */
  end(): string {
    return JSON.stringify({ count: this.#count, sha256: bytesToHex(this.#hash.digest()) });
  }

  #line(value: JsonObject): string {
    const line = JSON.stringify(value);
    this.#hash.update(utf8ToBytes(`${line}\n`));
    return line;
  }
}

/** Checks the lines of a file, one after the other. */
export class BackupReader {
  readonly #hash = sha256.create();
  readonly #keys = new Set<string>();
  #head: BackupHead | null = null;
  #promised = 0;
  #lines = 0;
  #lastGuid = 0;
  #isEnded = false;

  /** The header; null before the first line. */
  get head(): BackupHead | null {
    return this.#head;
  }

  /** Allocations so far. */
  get count(): number {
    return this.#keys.size;
  }

  /** Takes the next line, without its line break. Gives the allocation that it holds, or null for the first line and the last. */
  push(line: string): Result<Allocation | null, LineFault> {
    this.#lines++;
    if (this.#isEnded) return this.#fault('', 'expected nothing after the line with the hash');
    if (line.length > BACKUP_ENTRY_BYTES_MAX)
      return this.#fault('', `longer than ${BACKUP_ENTRY_BYTES_MAX} characters`);
    const parsed = parseJson(line, { depthMax: LINE_DEPTH_MAX });
    if (!parsed.ok) return this.#fault(parsed.error.path, `${parsed.error.message}: the file is cut off or damaged`);
    if (!isObject(parsed.value)) return this.#fault('', 'expected an object');
    if (this.#head === null) return this.#first(line, parsed.value);
    if ('sha256' in parsed.value) return this.#last(parsed.value);
    return this.#entry(line, parsed.value);
  }

  /** After the last line: whether the file was whole. */
  end(): Result<null, LineFault> {
    if (this.#isEnded) return ok(null);
    this.#lines++;
    return this.#fault('', 'missing: the file is cut off, its last line has a count and a hash');
  }

  #first(line: string, value: JsonObject): Result<null, LineFault> {
    const { format, network, network_key: networkKey, private_key: secret, max_guid: maxGuid, count } = value;
    if (format !== BACKUP_FORMAT) return this.#fault('format', `expected ${BACKUP_FORMAT}`);
    if (typeof network !== 'string') return this.#fault('network', 'expected a name');
    if (!isPublicKey(networkKey)) return this.#fault('network_key', 'expected an Ed25519 public key');
    if (secret !== undefined && !isPrivateKey(secret)) return this.#fault('private_key', 'expected a private key');
    if (!isGuid(maxGuid)) return this.#fault('max_guid', 'expected a GUID, or 0');
    if (!isGuid(count) || count > Math.min(maxGuid, BACKUP_ALLOCATIONS_MAX)) {
      return this.#fault('count', `expected max_guid at most, and ${BACKUP_ALLOCATIONS_MAX} at most`);
    }
    this.#head = { network, networkKey, privateKey: secret ?? null, maxGuid };
    this.#promised = count;
    this.#hash.update(utf8ToBytes(`${line}\n`));
    return ok(null);
  }

  #entry(line: string, value: JsonObject): Result<Allocation, LineFault> {
    const read = readAllocation(value);
    if (!read.ok) return this.#fault(read.error.field, read.error.message);
    const { guid, publicKey } = read.value;
    if (guid <= this.#lastGuid) return this.#fault('guid', `${guid} after ${this.#lastGuid}: expected ascending order`);
    if (guid > (this.#head?.maxGuid ?? 0)) return this.#fault('guid', `${guid} is above the header's max_guid`);
    if (this.#keys.has(publicKey)) return this.#fault('public_key', 'has another GUID in a line before');
    if (this.count >= this.#promised) return this.#fault('', `more allocations than the header's ${this.#promised}`);
    this.#keys.add(publicKey);
    this.#lastGuid = guid;
    this.#hash.update(utf8ToBytes(`${line}\n`));
    return read;
  }

  #last({ count, sha256: hash }: JsonObject): Result<null, LineFault> {
    if (typeof hash !== 'string' || !SHA_256.test(hash)) return this.#fault('sha256', 'expected a SHA-256 in hex');
    if (count !== this.count) return this.#fault('count', `expected ${this.count}, as many as there are lines before`);
    if (count !== this.#promised) return this.#fault('count', `the header tells of ${this.#promised} allocations`);
    if (hash !== bytesToHex(this.#hash.digest())) {
      return this.#fault('sha256', 'not that of the lines before: the file was altered or is damaged');
    }
    this.#isEnded = true;
    return ok(null);
  }

  #fault(field: string, message: string): Result<never, LineFault> {
    return err({ line: this.#lines, field, message });
  }
}
