// The node that was chosen: what others know of it, and what it says of itself.
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import type { Inspection, State } from '../state/state.ts';
import type { NodeView } from '../state/nodes.ts';
import type { ViewProps } from './app.tsx';
import { Mark } from './legend.tsx';
import { NodeLogs } from './node-logs.tsx';
import { ago, ahead, plural } from './words.ts';

export function Inspector({ state, page }: ViewProps) {
  const { selectedNode: guid, nodes, inspection } = state;
  const node = guid === null ? null : (nodes.get(guid) ?? null);
  return (
    <section class="inspector" aria-labelledby="inspector-title">
      <h2 id="inspector-title">
        {guid === null ? 'Node' : `Node ${guid}`}
        {guid !== null && (
          <button type="button" class="link back" onClick={() => page.selectNode(null)}>
            close
          </button>
        )}
      </h2>
      {node === null ? (
        <p class="soft">
          {guid === null
            ? 'Choose one on the ring: click it, or go to the ring by keyboard and press the arrow keys.'
            : 'It is not, or no longer, on the ring.'}
        </p>
      ) : (
        <>
          <dl class="pairs">
            <Pair name="State">
              <span class="state">
                <Mark state={node.state} /> {node.state}
              </span>
              {state.viewpoint !== guid && <span class="soft"> as {viewpointOf(state)} sees it</span>}
            </Pair>
            <Pair name="Address">
              <span class="long">{node.address}</span>
            </Pair>
            <Known node={node} isSelf={state.viewpoint === guid} />
            {inspection && <Own inspection={inspection} />}
          </dl>
          <Hints node={node} inspection={inspection} />
          {state.operator.hasToken && node.slot !== null && (
            <MembershipButtons key={node.guid} node={node} slot={node.slot} state={state} page={page} />
          )}
          {node.slot !== null && <NodeLogs state={state} />}
        </>
      )}
    </section>
  );
}

function Pair({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Known({ node, isSelf }: { readonly node: NodeView; readonly isSelf: boolean }) {
  if (isSelf) return null;
  return (
    <>
      <Pair name="Last seen">{ago(node.lastSeen, Date.now() / 1000)}</Pair>
      {node.failures > 0 && <Pair name="Failures">{node.failures} in a row</Pair>}
    </>
  );
}

function Own({ inspection: { status, roster } }: { readonly inspection: Inspection }) {
  if (!status) return null;
  const states = Object.entries(status.peers).filter(([, count]) => count > 0);
  return (
    <>
      <Pair name="Roster">
        {plural(roster.length, 'peer')}
        {states.length > 0 && <span class="soft"> {states.map(([name, count]) => `${count} ${name}`).join(', ')}</span>}
      </Pair>
      <Pair name="Mempool">{plural(status.messages, 'message')}</Pair>
      <Pair name="Last sync">{ago(status.last_sync_at, status.time)}</Pair>
      <Pair name="Next sync">{ahead(status.next_sync_at, status.time)}</Pair>
      {status.left_at !== null && <Pair name="Left">{ago(status.left_at, status.time)}</Pair>}
      <Pair name="Version">
        {status.version} <span class="soft">{status.protocol}</span>
      </Pair>
    </>
  );
}

function Hints({ node, inspection }: { readonly node: NodeView; readonly inspection: Inspection | null }) {
  if (node.slot === null) {
    return <p class="soft small">It is hosted elsewhere, so this page knows of it what the members here know.</p>;
  }
  if (inspection?.fault) return <p class="notice failed">It does not say more: {inspection.fault}</p>;
  if (!inspection) return <p class="soft small">Asking it …</p>;
  return (
    <p class="soft small">Lines on the ring go to its peers, the strong ones to those it synchronises with first.</p>
  );
}

interface MembershipProps extends ViewProps {
  readonly node: NodeView;
  readonly slot: number;
}

/** Leaving is asked for twice: all are told of it. */
function MembershipButtons({ node, slot, state, page }: MembershipProps) {
  const [isAsking, setAsking] = useState(false);
  const { isBusy } = state.operator;
  const run = (wanted: 'leave' | 'return') => {
    setAsking(false);
    void page.operator.setMembership(slot, wanted);
  };
  if (node.state === 'left') {
    return (
      <p class="actions">
        <button type="button" disabled={isBusy} onClick={() => run('return')}>
          Have it come back
        </button>
      </p>
    );
  }
  return (
    <p class="actions">
      {isAsking ? (
        <>
          <button type="button" class="danger" disabled={isBusy} onClick={() => run('leave')}>
            Yes, leave the network
          </button>
          <button type="button" class="quiet" onClick={() => setAsking(false)}>
            No
          </button>
        </>
      ) : (
        <button type="button" disabled={isBusy} onClick={() => setAsking(true)}>
          Have it leave
        </button>
      )}
    </p>
  );
}

function viewpointOf({ viewpoint }: State): string {
  return viewpoint === null || viewpoint === 0 ? 'the boot node' : `node ${viewpoint}`;
}
