// What the chosen node logged last. Text alone: some of it comes from peers.
import { useState } from 'preact/hooks';
import { LEVELS, newest, type Level, type LogLine } from '../state/logs.ts';
import type { State } from '../state/state.ts';

/** Lines that are drawn. */
const SHOWN = 100;

export function NodeLogs({ state: { logs, operator } }: { readonly state: State }) {
  const [level, setLevel] = useState<Level>('DEBUG');
  const lines = newest(logs?.lines ?? [], level, SHOWN);
  return (
    <section class="logs" aria-labelledby="logs-title">
      <h3 id="logs-title">
        Log
        {operator.hasToken && (
          <label class="back">
            from{' '}
            <select value={level} onChange={({ currentTarget }) => setLevel(levelOf(currentTarget.value))}>
              {LEVELS.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>{' '}
            on
          </label>
        )}
      </h3>
      {operator.hasToken ? (
        <>
          {logs?.fault && <p class="notice failed">It does not tell: {logs.fault}</p>}
          {lines.length > 0 ? (
            <div class="lines" tabIndex={0} role="group" aria-label="Log lines, the newest first">
              <ol>
                {lines.map((line) => (
                  <Line key={line.number} line={line} />
                ))}
              </ol>
            </div>
          ) : (
            !logs?.fault && <p class="soft small">{emptyText(logs?.lines ?? null, level)}</p>
          )}
        </>
      ) : (
        <p class="soft small">With the admin token, above, it shows what it logged last.</p>
      )}
    </section>
  );
}

function Line({ line }: { readonly line: LogLine }) {
  const at = new Date(line.time * 1000);
  const isDate = !Number.isNaN(at.getTime());
  return (
    <li>
      <time {...(isDate && { dateTime: at.toISOString(), title: at.toISOString() })}>
        {isDate ? at.toLocaleTimeString('en', { hourCycle: 'h23' }) : '–'}
      </time>{' '}
      <span class={`level is-${line.level.toLowerCase()}`}>{line.level}</span> <b>{line.event}</b>{' '}
      <span class="soft">{line.fields}</span>
      {line.isAfterGap && <span class="soft gap">what it logged before this is gone</span>}
    </li>
  );
}

function emptyText(all: readonly LogLine[] | null, level: Level): string {
  if (all === null) return 'Asking it …';
  return all.length === 0 ? 'It has logged nothing since it woke.' : `Nothing of ${level} or above since it woke.`;
}

function levelOf(text: string): Level {
  return LEVELS.find((level) => level === text) ?? 'DEBUG';
}
