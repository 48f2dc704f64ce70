// What a process has used, as Linux tells it.
import { readdirSync, readFileSync } from 'node:fs';
import type { Usage } from './contender.ts';

/** Ticks a second in /proc; it has been 100 on Linux for all programs since 2.6. */
const TICKS = 100;
const PAGE_BYTES = 4096;

/** Of all child processes of this one that have this name; null where there is no /proc. */
export function usageOf(isMeant: (pid: number) => boolean): Usage | null {
  let [cpuSeconds, rssBytes] = [0, 0];
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name) || !isMeant(Number(name))) continue;
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      cpuSeconds += (Number(fields[11]) + Number(fields[12])) / TICKS;
      rssBytes += Number(fields[21]) * PAGE_BYTES;
    }
  } catch {
    return null;
  }
  return { cpuSeconds, rssBytes };
}

/** Processes that this one has started, directly, by their program's name, without those that are known. */
export function childrenNamed(program: string, known: ReadonlySet<number> = new Set()): Set<number> {
  const found = new Set<number>();
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [comm, rest] = [
        stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
        stat.slice(stat.lastIndexOf(')') + 2),
      ];
      if (comm === program && Number(rest.split(' ')[1]) === process.pid && !known.has(Number(name)))
        found.add(Number(name));
    }
  } catch {
    // No /proc, or a process that ended meanwhile: what was found is what there is to measure.
  }
  return found;
}
