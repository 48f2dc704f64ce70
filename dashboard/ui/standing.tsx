// What is shown before anything is known of the network, and where nothing can be.
import type { ViewProps } from './app.tsx';

export function Standing({ state, page }: ViewProps) {
  const isLost = state.phase === 'error';
  return (
    <main class="standing">
      <svg class={isLost ? 'ghost' : 'ghost waits'} viewBox="0 0 200 200" aria-hidden="true">
        {Array.from({ length: 24 }, (_, index) => {
          const angle = (index / 24) * 2 * Math.PI;
          return <circle key={index} cx={100 + Math.sin(angle) * 88} cy={100 - Math.cos(angle) * 88} r="3.2" />;
        })}
      </svg>
      {isLost ? (
        <div role="alert">
          <h2>The network does not answer</h2>
          <p>{state.fault}</p>
          <p class="soft">
            A network that has just started has no members for some seconds. This page asks again by itself.
          </p>
          <button type="button" onClick={() => page.refresh()}>
            Ask now
          </button>
        </div>
      ) : (
        <p role="status">Looking for the network …</p>
      )}
    </main>
  );
}
