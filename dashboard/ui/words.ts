// How numbers and times are written. No DOM.

/** Seconds: `41 ms`, `1.30 s`, `2 min 5 s`; a dash where there are none. */
export function duration(seconds: number | null): string {
  if (seconds === null) return '–';
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A share, 0..1; never rounded up to all. */
export function percent(share: number | null): string {
  if (share === null) return '–';
  return `${Math.floor(share * 100 + 1e-9)} %`;
}

/** How long ago, of Unix seconds. */
export function ago(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.max(0, now - at);
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

/** Until when, of Unix seconds. */
export function ahead(at: number | null, now: number): string {
  if (at === null) return '–';
  return at <= now ? 'now' : `in ${duration(Math.ceil(at - now))}`;
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function dollars(value: number | null): string {
  return value === null ? '–' : `$${value.toFixed(2)}`;
}

/** `1 node`, `2 nodes`, `2 deliveries`. */
export function plural(count: number, word: string): string {
  if (count === 1) return `1 ${word}`;
  return `${whole(count)} ${word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`}`;
}

/** The beginning of a message id, enough to tell it from the others on the page. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

export function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
}
