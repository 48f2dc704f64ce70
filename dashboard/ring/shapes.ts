// The mark of each state: a shape of its own besides its colour. The legend draws the same ones.
import type { NodeState } from '../state/nodes.ts';

/** What is needed of a canvas path. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  arc(x: number, y: number, radius: number, start: number, end: number): void;
  closePath(): void;
}

/** Whether the mark is a line instead of a filled shape. */
export const IS_OUTLINE: Readonly<Record<NodeState, boolean>> = {
  alive: false,
  probation: true,
  suspect: false,
  ignored: true,
  dead: true,
  left: true,
};

/** Adds the mark of a state to a path: disc, circle, triangle, square, cross, dash. */
export function drawMark(pen: Pen, state: NodeState, x: number, y: number, radius: number): void {
  switch (state) {
    case 'alive':
    case 'probation': {
      const r = state === 'alive' ? radius : radius * 0.86;
      pen.moveTo(x + r, y);
      pen.arc(x, y, r, 0, 2 * Math.PI);
      return;
    }
    case 'suspect':
      pen.moveTo(x, y - radius * 1.2);
      pen.lineTo(x + radius * 1.1, y + radius * 0.8);
      pen.lineTo(x - radius * 1.1, y + radius * 0.8);
      pen.closePath();
      return;
    case 'ignored': {
      const r = radius * 0.82;
      pen.moveTo(x - r, y - r);
      pen.lineTo(x + r, y - r);
      pen.lineTo(x + r, y + r);
      pen.lineTo(x - r, y + r);
      pen.closePath();
      return;
    }
    case 'dead': {
      const r = radius * 0.85;
      pen.moveTo(x - r, y - r);
      pen.lineTo(x + r, y + r);
      pen.moveTo(x + r, y - r);
      pen.lineTo(x - r, y + r);
      return;
    }
    case 'left':
      pen.moveTo(x - radius, y);
      pen.lineTo(x + radius, y);
  }
}
