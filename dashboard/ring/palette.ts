// The colours of the style sheet, for the canvas: whichever theme is on, they are written down once.
import { NODE_STATES, type NodeState } from '../state/nodes.ts';

export interface Palette {
  readonly ground: string;
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly accent: string;
  readonly states: Readonly<Record<NodeState, string>>;
}

/** Reads them where `element` is. */
export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const states = Object.fromEntries(NODE_STATES.map((state) => [state, read(state)])) as Record<NodeState, string>;
  return {
    ground: read('ground'),
    ink: read('ink'),
    soft: read('soft'),
    line: read('line'),
    accent: read('accent'),
    states,
  };
}
