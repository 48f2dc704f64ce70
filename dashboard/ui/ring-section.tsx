// The ring, and in its middle what matters most. By keyboard it is a slider over the nodes.
import { useEffect, useRef, useState } from 'preact/hooks';
import { nodeAt, type RingLayout } from '../ring/layout.ts';
import { RingView } from '../ring/view.ts';
import type { Spread } from '../state/message-book.ts';
import { memberCount } from '../state/nodes.ts';
import type { State } from '../state/state.ts';
import type { ViewProps } from './app.tsx';
import { duration, percent, plural, whole } from './words.ts';

interface Props extends ViewProps {
  readonly shown: Spread | null;
  /** Whether its number goes with what is seen of it. */
  readonly isFollowed: boolean;
}

/** Nodes that a page key goes over. */
const PAGE_STEP = 10;

export function RingSection({ state, page, shown, isFollowed }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<RingView | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const [progress, setProgress] = useState<number | null>(null);

  useEffect(() => {
    if (!place.current) return undefined;
    const ring = new RingView(place.current, page.store, setProgress);
    view.current = ring;
    return () => ring.close();
  }, [page]);
  useEffect(() => view.current?.update(state, shown, hovered), [state, shown, hovered]);

  const guids = [...state.nodes.keys()];
  // Keys may come faster than the page is rendered.
  const current = () => page.store.state.selectedNode;
  const at = (event: MouseEvent) => guidAt(view.current?.layout ?? null, event);
  const onKeyDown = (event: KeyboardEvent) => {
    const next = nextGuid(guids, current(), event.key);
    if (next === undefined) return;
    event.preventDefault();
    page.selectNode(next);
  };
  return (
    <section class="ring" aria-label="The ring">
      <div
        class="canvas"
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label="Node on the ring"
        aria-valuemin={guids[0] ?? 0}
        aria-valuemax={guids.at(-1) ?? 0}
        aria-valuenow={state.selectedNode ?? guids[0] ?? 0}
        aria-valuetext={valueText(state)}
        onKeyDown={onKeyDown}
        onPointerMove={(event) => setHovered(at(event))}
        onPointerLeave={() => setHovered(null)}
        onClick={(event) => page.selectNode(at(event))}
      />
      <Middle state={state} shown={shown} hovered={hovered} progress={isFollowed ? progress : null} />
    </section>
  );
}

interface MiddleProps extends Pick<Props, 'state' | 'shown'> {
  readonly hovered: number | null;
  /** Percent that the ring has come to show; null: it shows nothing of the message, or the number waits for nothing. */
  readonly progress: number | null;
}

function Middle({ state, shown, hovered, progress }: MiddleProps) {
  const node = hovered === null ? null : state.nodes.get(hovered);
  if (node) {
    return (
      <div class="middle" aria-hidden="true">
        <strong>{node.guid}</strong>
        <span>{node.state}</span>
      </div>
    );
  }
  if (!shown) {
    return (
      <div class="middle">
        <strong>{whole(memberCount(state.nodes))}</strong>
        <span>{memberCount(state.nodes) === 1 ? 'member' : 'members'}</span>
      </div>
    );
  }
  // The ring is slower than the network: the number goes with what is seen.
  const isPlaying = progress !== null && progress < 100 && progress / 100 < (shown.coverage ?? 0);
  const all = isPlaying ? null : shown.timeTo(1);
  return (
    <div class="middle">
      <strong class={all === null ? 'spreading' : ''}>{isPlaying ? `${progress} %` : percent(shown.coverage)}</strong>
      <span>
        of {plural(shown.members, 'member')}
        {all === null ? '' : ` in ${duration(all)}`}
      </span>
    </div>
  );
}

function guidAt(layout: RingLayout | null, event: MouseEvent): number | null {
  if (!layout || !(event.currentTarget instanceof HTMLElement)) return null;
  const { left, top } = event.currentTarget.getBoundingClientRect();
  const index = nodeAt(layout, event.clientX - left, event.clientY - top);
  return layout.guids[index] ?? null;
}

/** Undefined: the key is none of the ring's. */
function nextGuid(guids: readonly number[], current: number | null, key: string): number | null | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowUp: 1,
    ArrowLeft: -1,
    ArrowDown: -1,
    PageUp: PAGE_STEP,
    PageDown: -PAGE_STEP,
  };
  if (key === 'Escape') return null;
  if (key === 'Home') return guids[0] ?? null;
  if (key === 'End') return guids.at(-1) ?? null;
  const step = steps[key];
  if (step === undefined || guids.length === 0) return undefined;
  const index = current === null ? (step > 0 ? -step : 0) : guids.indexOf(current);
  return guids.at((index + step) % guids.length) ?? null;
}

function valueText({ selectedNode, nodes }: State): string {
  if (selectedNode === null) return `none of ${plural(nodes.size, 'node')} chosen`;
  return `node ${selectedNode}, ${nodes.get(selectedNode)?.state ?? 'gone'}`;
}
