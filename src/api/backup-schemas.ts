// Shapes of the boot node's backup on the wire. The lines of the file are the same, see protocol/backup-file.ts.
import * as z from 'zod';
import { BACKUP_PAGE_MAX, GUID_MAX } from '../protocol/limits.ts';
import { pageQuery } from './schemas.ts';
import {
  capabilityNames,
  guid,
  guidOrBoot,
  incarnation,
  peerAddress,
  privateKey,
  publicKey,
  seconds,
  signature,
} from './shapes.ts';

const NETWORK_CHARS_MAX = 64;

export const backupQuery = z.object({
  with_key: z
    .enum(['true', 'false'])
    .optional()
    .meta({ default: 'false', description: 'true: with the secret half of the network’s key' }),
});

export const restoreQuery = z.object({
  dry_run: z
    .enum(['true', 'false'])
    .optional()
    .meta({ default: 'false', description: 'true: only tell what it would do' }),
});

export const backup = z
  .object({
    network: z.string(),
    network_key: publicKey,
    private_key: privateKey.optional(),
    max_guid: guidOrBoot.meta({ description: 'no GUID up to this one is free' }),
    count: z.int().min(0).meta({ description: 'allocations, those of members that are gone too' }),
    exported_at: seconds,
  })
  .meta({ id: 'Backup', description: 'the first part of a backup; the allocations are the rest' });

/** More keys are ignored, so that the first line of a file can be sent as it is. */
export const restoreRequest = z
  .object({
    network: z.string().max(NETWORK_CHARS_MAX),
    network_key: publicKey,
    private_key: privateKey.optional().meta({ description: 'needed where the boot node has another key' }),
    max_guid: guidOrBoot,
  })
  .meta({ id: 'RestoreRequest', description: 'the first part of a backup' });

export const restoreAnswer = z
  .object({
    max_guid: guidOrBoot.meta({ description: 'no GUID up to this one is given from now on' }),
    key_replaced: z.boolean().meta({ description: 'the boot node has the key of the backup now' }),
  })
  .meta({ id: 'RestoreAnswer' });

export const allocationsQuery = pageQuery(BACKUP_PAGE_MAX);

const allocation = z
  .object({
    guid,
    address: peerAddress,
    public_key: publicKey,
    incarnation,
    capabilities: capabilityNames,
    signature: signature.nullable().meta({ description: 'by the member; null: of before records were signed' }),
    certificate: z
      .object({ issued: seconds, expires: seconds, signature })
      .nullable()
      .meta({ description: 'the last one, whether or not it has run out; null: there was none' }),
    joined_at: seconds,
  })
  .meta({ id: 'Allocation', description: 'a GUID that was given, and its holder’s last record' });

export const allocationPage = z
  .object({ allocations: z.array(allocation), next: z.string().nullable() })
  .meta({ id: 'AllocationPage' });

export const allocationsRequest = z
  .object({
    allocations: z.array(allocation).max(BACKUP_PAGE_MAX),
    last: z.boolean().optional().meta({ description: 'true: there are no more; the restore has ended' }),
  })
  .meta({ id: 'AllocationsRequest', description: 'allocations of a backup, all of which are taken, or none' });

export const allocationsAnswer = z
  .object({
    new: z.int().min(0),
    newer: z.int().min(0).meta({ description: 'later than what was there' }),
    kept: z.int().min(0).meta({ description: 'the same as what is there, or older: not taken' }),
  })
  .meta({ id: 'AllocationsAnswer' });

export const floorRequest = z
  .object({ max_guid: z.int().min(1).max(GUID_MAX) })
  .meta({ id: 'FloorRequest', description: 'GUIDs up to this one are not to be given' });

export const floorAnswer = z.object({ max_guid: guidOrBoot }).meta({ id: 'FloorAnswer' });
