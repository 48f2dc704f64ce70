// The latest broadcasts.
import type { Spread } from '../state/message-book.ts';
import type { ViewProps } from './app.tsx';
import { isStill } from './motion.ts';
import { ago, cut, duration, percent, shortId } from './words.ts';

const CONTENT_CHARS = 48;

interface Props extends ViewProps {
  readonly recent: readonly Spread[];
  readonly shown: Spread | null;
}

export function MessageTable({ state, page, recent, shown }: Props) {
  const now = Date.now() / 1000;
  return (
    <section class="messages" aria-labelledby="messages-title">
      <h2 id="messages-title">Broadcasts</h2>
      {recent.length === 0 ? (
        <p class="soft">None has been seen yet. Send one, and watch it reach everybody.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="messages-title">
          <table>
            <thead>
              <tr>
                <th scope="col">Message</th>
                <th scope="col" class="num">
                  From
                </th>
                <th scope="col" class="num">
                  Reached
                </th>
                <th scope="col" class="num">
                  95 %
                </th>
                <th scope="col" class="num">
                  All
                </th>
                <th scope="col" class="num more">
                  Hops
                </th>
                <th scope="col" class="more">
                  Sent
                </th>
              </tr>
            </thead>
            <tbody>
              {recent.map((spread) => (
                <tr key={spread.id} class={spread === shown ? 'shown' : ''}>
                  <th scope="row">
                    <button
                      type="button"
                      class="link"
                      aria-pressed={spread.id === state.selectedMessage}
                      onClick={() => {
                        void page.selectMessage(spread.id);
                        showRing();
                      }}
                    >
                      <code>{shortId(spread.id)}</code>
                    </button>{' '}
                    <span class="content">{cut(state.contents.get(spread.id) ?? '', CONTENT_CHARS)}</span>
                  </th>
                  <td class="num">{spread.originator}</td>
                  <td class="num">
                    <span class="counts">
                      {spread.received} <span class="soft">/ {spread.members}</span>{' '}
                    </span>
                    <span class="share">{percent(spread.coverage)}</span>
                  </td>
                  <td class="num">{duration(spread.timeTo(0.95))}</td>
                  <td class="num">{duration(spread.timeTo(1))}</td>
                  <td class="num more">{spread.hopsMax}</td>
                  <td class="soft more">{ago(spread.broadcastAt, now)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** What was chosen is drawn there. */
function showRing(): void {
  document.querySelector('.stage')?.scrollIntoView({ block: 'nearest', behavior: isStill() ? 'instant' : 'smooth' });
}
