// Short forms of what would be too long for a line of a terminal.

/** `1-4, 7`: ascending whole numbers, runs of them as intervals. */
export function intervals(numbers: readonly number[]): string {
  const runs: { from: number; to: number }[] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && number <= run.to + 1) run.to = number;
    else runs.push({ from: number, to: number });
  }
  return runs.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}

/** The line, cut to so many characters, the last of which then tells that it was cut. */
export function cut(line: string, width: number): string {
  // By code points: half of a surrogate pair is no character.
  const chars = line.length <= width ? null : [...line];
  return chars === null || chars.length <= width ? line : `${chars.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** The text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
