// One message: how far it has come, and how fast.
import type { Spread } from '../state/message-book.ts';
import type { ViewProps } from './app.tsx';
import { CoverageChart } from './coverage-chart.tsx';
import { cut, duration, shortId } from './words.ts';

const CONTENT_CHARS = 600;

interface Props extends ViewProps {
  readonly shown: Spread | null;
}

export function MessageDetails({ state, page, shown }: Props) {
  const isKept = shown !== null && state.selectedMessage === shown.id;
  return (
    <section class="details" aria-labelledby="details-title">
      <h2 id="details-title">
        {shown === null ? 'Coverage' : isKept ? 'Message ' : 'Latest message '}
        {shown && <code>{shortId(shown.id)}</code>}
        {isKept && (
          <button type="button" class="link back" onClick={() => void page.selectMessage(null)}>
            back to the latest
          </button>
        )}
      </h2>
      {shown === null ? (
        <p class="soft">How fast a broadcast reaches everybody is drawn here, once there is one.</p>
      ) : (
        <>
          <dl class="times">
            <Figure name="half" value={duration(shown.timeTo(0.5))} />
            <Figure name="95 %" value={duration(shown.timeTo(0.95))} />
            <Figure name="all" value={duration(shown.timeTo(1))} />
            <Figure name="hops" value={String(shown.hopsMax)} />
            {state.source === 'beacon' && <Figure name="duplicates" value={String(shown.duplicates)} />}
          </dl>
          <CoverageChart spread={shown} revision={shown.guids.length} />
          <p class="content">{cut(state.contents.get(shown.id) ?? '', CONTENT_CHARS)}</p>
        </>
      )}
    </section>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
