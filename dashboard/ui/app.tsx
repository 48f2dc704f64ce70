// The page. It is rendered anew from the state, some times a second at most; only the ring draws at its own pace.
import type { Page } from '../live/page.ts';
import { latestOf, type Latest } from '../state/latest.ts';
import { MESSAGES_MAX } from '../state/message-book.ts';
import type { State } from '../state/state.ts';
import { Figures } from './figures.tsx';
import { Header } from './header.tsx';
import { Inspector } from './inspector.tsx';
import { Legend } from './legend.tsx';
import { MessageDetails } from './message-details.tsx';
import { MessageTable } from './message-table.tsx';
import { isStill } from './motion.ts';
import { OperatorPanel } from './operator-panel.tsx';
import { RingSection } from './ring-section.tsx';
import { Standing } from './standing.tsx';

export interface ViewProps {
  readonly state: State;
  readonly page: Page;
}

/** Messages in the table. */
const RECENT = 12;

export function App({ state, page }: ViewProps) {
  const recent = state.book.newest(RECENT);
  const { spread: shown = null, isFollowed = false } = shownOf(state) ?? {};
  if (state.phase !== 'ready') {
    return (
      <>
        <Header state={state} page={page} />
        <Standing state={state} page={page} />
      </>
    );
  }
  return (
    <>
      <Header state={state} page={page} />
      <main class="page">
        <div class={isStale(state) ? 'stage stale' : 'stage'}>
          <RingSection state={state} page={page} shown={shown} isFollowed={isFollowed} />
          <Legend nodes={state.nodes} />
          <p class="soft small">
            {isStill()
              ? 'Who has a message is marked once it is known.'
              : 'Messages are drawn slower than they travel.'}{' '}
            The times are real.
          </p>
        </div>
        <div class="side">
          <MessageDetails state={state} page={page} shown={shown} />
          <OperatorPanel state={state} page={page} />
          <Inspector state={state} page={page} />
        </div>
        <MessageTable state={state} page={page} recent={recent} shown={shown} />
        <Figures state={state} />
      </main>
    </>
  );
}

/** What was chosen, and is played for that; else the latest. */
function shownOf({ book, selectedMessage }: State): Latest | null {
  const chosen = selectedMessage === null ? null : book.get(selectedMessage);
  return chosen ? { spread: chosen, isFollowed: true } : latestOf(book.newest(MESSAGES_MAX), performance.now() / 1000);
}

/** Whether the ring may not be so any more. */
function isStale({ link, isRosterFresh }: State): boolean {
  return link.status === 'cut' || !isRosterFresh;
}
