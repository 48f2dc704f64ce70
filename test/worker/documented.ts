// Figures that docs/cost.md tells, which tests hold the Worker to.
import document from '../../docs/cost.md?raw';

/** A figure of the row of a table that begins with `load`. */
export function documented(load: string, column: number): number {
  const row = document.split('\n').find((line) => line.startsWith(`| ${load} |`));
  const value = Number(row?.split('|')[column + 1]);
  if (!Number.isFinite(value)) throw new Error(`docs/cost.md has no figure for "${load}" in column ${column}`);
  return value;
}
