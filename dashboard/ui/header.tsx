// What this is, and how the page is connected to it.
import type { State } from '../state/state.ts';
import type { ViewProps } from './app.tsx';
import { currentTheme, toggleTheme } from './theme.ts';
import { cut } from './words.ts';

export function Header({ state, page }: ViewProps) {
  const { network } = state;
  const isDark = currentTheme() === 'dark';
  return (
    <header class="top">
      <h1>
        {network === null ? 'pychain' : cut(network, 40)} <span class="kind">network</span>
      </h1>
      <LinkPill state={state} retry={() => page.refresh()} />
      <button type="button" class="quiet" onClick={toggleTheme} aria-label={isDark ? 'Light theme' : 'Dark theme'}>
        <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
          <circle cx="10" cy="10" r="7.2" fill="none" stroke="currentColor" stroke-width="1.6" />
          <path d="M10 2.8a7.2 7.2 0 0 1 0 14.4z" fill="currentColor" />
        </svg>
      </button>
    </header>
  );
}

function LinkPill({ state, retry }: { readonly state: State; readonly retry: () => void }) {
  const { link, source, followed, phase } = state;
  if (link.status === 'cut') {
    const seconds = Math.ceil(Math.max(0, link.retryAt - Date.now()) / 1000);
    return (
      <p class="pill cut" role="status">
        <span class="light" aria-hidden="true" />
        <span>{seconds > 0 ? `Disconnected, again in ${seconds} s` : 'Connecting again …'}</span>
        <button type="button" class="link" onClick={retry}>
          now
        </button>
      </p>
    );
  }
  const isOpen = link.status === 'open' && phase === 'ready';
  const from =
    source === 'nodes' ? (
      <span
        class="from"
        title="This deployment has no beacon: arrivals are told by the streams of the nodes themselves"
      >
        from {followed} node {followed === 1 ? 'stream' : 'streams'}, no beacon
      </span>
    ) : null;
  return (
    <p class={isOpen ? 'pill live' : 'pill'} role="status">
      <span class="light" aria-hidden="true" />
      <span>{isOpen ? 'Live' : 'Connecting …'}</span>
      {isOpen && from}
    </p>
  );
}
