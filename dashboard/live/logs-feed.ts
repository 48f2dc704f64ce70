// What the chosen node logs: an operator's call, so nothing is asked without the token.
import { list, number, shape, text, type Check } from '../../src/client/checks.ts';
import { LINES_KEPT_MAX, withLines, type LogRecord } from '../state/logs.ts';
import type { Store } from '../state/store.ts';
import { reasonOf } from './api.ts';
import type { OperatorCalls } from './operator.ts';
import { paceOf } from './pace.ts';
import { rest, visible } from './waiting.ts';

/** Pause between two questions, milliseconds. Each asks for what came since. */
const POLL_MS = 5_000;

interface LogPage {
  readonly logs: readonly LogRecord[];
  readonly cursor: string;
  readonly missed: boolean;
}

const logPage = shape<LogPage>({
  logs: list(shape<LogRecord>({ time: number, level: text, node: text, log: text, event: text })),
  cursor: text,
  missed: ((value) => (typeof value === 'boolean' ? null : { path: '', expected: 'true or false' })) as Check<boolean>,
});

/** Asks it again and again, until the signal. */
export async function watchLogs(
  store: Store,
  operator: OperatorCalls,
  guid: number,
  wake: EventTarget,
  signal: AbortSignal,
): Promise<void> {
  let cursor: string | null = null;
  while (!signal.aborted) {
    await visible(signal);
    const { nodes, operator: known, logs } = store.state;
    const slot = nodes.get(guid)?.slot ?? null;
    if (known.hasToken && slot !== null) {
      const before = logs?.lines ?? [];
      // Lines are forgotten with the token: with the next one all are asked for.
      const since: string = cursor === null || logs === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      try {
        const page: LogPage = await operator.read(slot, `/logs?limit=${LINES_KEPT_MAX}${since}`, logPage, signal);
        if (signal.aborted) return;
        cursor = page.cursor;
        store.dispatch({ type: 'logs', logs: { guid, lines: withLines(before, page.logs, page.missed), fault: null } });
      } catch (error) {
        if (signal.aborted) return;
        store.dispatch({ type: 'logs', logs: { guid, lines: before, fault: reasonOf(error) } });
      }
    }
    await rest(paceOf(location.search, POLL_MS), wake, signal);
  }
}
