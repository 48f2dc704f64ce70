// A line of a log, typed by the table of events: who logs cannot name an event that is not there, nor forget a field.
import { LOG_EVENTS, LOG_NAMES, type EventSpec, type Kind, type Level, type LogName } from './log-events.ts';
import type { JsonValue } from './types.ts';

interface Values {
  readonly text: string;
  readonly number: number;
  readonly flag: boolean;
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
}

type Fields<Spec extends Readonly<Record<string, Kind>>> = {
  readonly [Name in keyof Spec as Spec[Name] extends `${string}?` ? never : Name]: Spec[Name] extends keyof Values
    ? Values[Spec[Name]]
    : never;
} & {
  readonly [Name in keyof Spec as Spec[Name] extends `${string}?` ? Name : never]?:
    (Spec[Name] extends `${infer Of extends keyof Values}?` ? Values[Of] : never) | null;
};

type Lines<Events extends Readonly<Record<string, EventSpec>>> = {
  readonly [Event in keyof Events]: [event: Event, fields: Fields<Events[Event]['fields']>];
}[keyof Events];

/** An event with its fields, as it is logged. */
export type LogLine = { readonly [Log in LogName]: Lines<(typeof LOG_EVENTS)[Log]> }[LogName];

export type LogEvent = LogLine[0];

/** A line with what the table has of its event: what a record of it holds, but for time and node. */
export interface LogEntry {
  readonly level: Level;
  readonly log: LogName;
  readonly event: LogEvent;
  readonly fields: Readonly<Record<string, JsonValue>>;
}

const LOGS: ReadonlyMap<string, { readonly log: LogName; readonly level: Level }> = new Map(
  LOG_NAMES.flatMap((log) =>
    Object.entries<EventSpec>(LOG_EVENTS[log]).map(([event, { level }]) => [event, { log, level }]),
  ),
);

/** Adds what the table has of the event. */
export function logEntry([event, fields]: LogLine): LogEntry {
  const known = LOGS.get(event);
  if (!known) throw new Error(`assertion failed: ${event} is in the table`);
  // All kinds of fields are JSON.
  return { ...known, event, fields: fields as unknown as LogEntry['fields'] };
}
