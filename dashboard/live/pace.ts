// How often the page asks: `?every=SECONDS` in its address has it ask more often, or seldomer, than it would. No DOM.

const SECONDS_MIN = 1;
const SECONDS_MAX = 300;

/** Milliseconds between two questions; `usual` where the query (`location.search`) does not say, or says nonsense. */
export function paceOf(query: string, usual: number): number {
  const text = new URLSearchParams(query).get('every') ?? '';
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : NaN;
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX ? seconds * 1_000 : usual;
}
