// The live page of a deployment: its network, and messages as they spread.
import { render } from 'preact';
import { Page } from './live/page.ts';
import { Store } from './state/store.ts';
import { App } from './ui/app.tsx';
import { onTheme, restoreTheme } from './ui/theme.ts';

/** Times such as "3 s ago" go on by themselves. */
const TICK_MS = 1_000;

const root = document.getElementById('app');
if (root) {
  restoreTheme();
  const store = new Store();
  const page = new Page(store);
  const show = () => render(<App state={store.state} page={page} />, root);
  store.onRender(show);
  onTheme(show);
  setInterval(() => document.visibilityState === 'visible' && show(), TICK_MS);
  show();
  page.start();
}
