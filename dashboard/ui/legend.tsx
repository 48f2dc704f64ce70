// What the marks on the ring mean, and how many there are of each.
import { drawMark, IS_OUTLINE, type Pen } from '../ring/shapes.ts';
import { countStates, NODE_STATES, type NodeState, type Nodes } from '../state/nodes.ts';
import { whole } from './words.ts';

export function Legend({ nodes }: { readonly nodes: Nodes }) {
  const counts = countStates(nodes);
  return (
    <ul class="legend" aria-label="Nodes by state">
      {NODE_STATES.map((state) => (
        <li key={state} class={counts[state] === 0 ? 'none' : ''}>
          <Mark state={state} />
          <span>{state}</span>
          <b>{whole(counts[state])}</b>
        </li>
      ))}
    </ul>
  );
}

export function Mark({ state }: { readonly state: NodeState }) {
  const outline = IS_OUTLINE[state];
  return (
    <svg class={`mark is-${state}`} viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true">
      <path
        d={pathOf(state)}
        fill={outline ? 'none' : 'currentColor'}
        stroke={outline ? 'currentColor' : 'none'}
        stroke-width="2"
      />
    </svg>
  );
}

/** The mark as an SVG path, by the same strokes that the canvas is drawn with. */
function pathOf(state: NodeState): string {
  let path = '';
  const pen: Pen = {
    moveTo: (x, y) => (path += `M${x} ${y}`),
    lineTo: (x, y) => (path += `L${x} ${y}`),
    arc: (x, y, r) => (path += `M${x + r} ${y}A${r} ${r} 0 1 1 ${x - r} ${y}A${r} ${r} 0 1 1 ${x + r} ${y}`),
    closePath: () => (path += 'Z'),
  };
  drawMark(pen, state, 0, 0, 5.2);
  return path;
}
