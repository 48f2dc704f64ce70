// Log lines of nodes: one JSON object a line, for Workers Logs and for the runners to sort into files.
import { LOG_LEVELS, type LogLevel } from '../config.ts';
import type { LogName } from '../protocol/effects.ts';
import type { JsonValue } from '../protocol/types.ts';

export type Log = (level: LogLevel, log: LogName, event: string, fields?: Readonly<Record<string, JsonValue>>) => void;

/** A logger of one node (`boot`, a slot, or `worker`) that leaves out what is below `lowest`. */
export function createLog(
  node: string,
  lowest: LogLevel,
  write: (line: string) => void = (line) => console.log(line),
): Log {
  const threshold = LOG_LEVELS.indexOf(lowest);
  return (level, log, event, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    write(JSON.stringify({ time: Date.now() / 1000, level, node, log, event, ...fields }));
  };
}
