// What wrangler.toml says about the Worker, so that a local run has the queues, classes and flags of a deployed one.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { z } from 'zod';

/** Folder of the project: where wrangler.toml is. */
export const PROJECT_DIR = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Whether this is the package, compiled, and no checkout. */
export const IS_PACKED = import.meta.url.endsWith('.js');

const consumerSchema = z.object({
  queue: z.string(),
  max_batch_size: z.number().optional(),
  max_batch_timeout: z.number().optional(),
  max_retries: z.number().optional(),
  max_concurrency: z.number().optional(),
  retry_delay: z.number().optional(),
  dead_letter_queue: z.string().optional(),
});

const wranglerSchema = z.object({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  vars: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  migrations: z.array(z.object({ new_sqlite_classes: z.array(z.string()).default([]) })).default([]),
  queues: z
    .object({
      producers: z.array(z.object({ binding: z.string(), queue: z.string() })).default([]),
      consumers: z.array(consumerSchema).default([]),
    })
    .default({ producers: [], consumers: [] }),
  assets: z.object({ directory: z.string(), run_worker_first: z.array(z.string()).default([]) }).optional(),
  triggers: z.object({ crons: z.array(z.string()).default([]) }).default({ crons: [] }),
});

/** The part of wrangler.toml that a local run needs. */
export type WranglerConfig = z.infer<typeof wranglerSchema>;

/** Reads and checks wrangler.toml; the top level is what runs locally, `[env.NAME]` sections are for deployments. */
export async function readWranglerConfig(projectDir: string = PROJECT_DIR): Promise<WranglerConfig> {
  const path = join(projectDir, 'wrangler.toml');
  const parsed = wranglerSchema.safeParse(parse(await readFile(path, 'utf8')));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not as expected'}`);
}
