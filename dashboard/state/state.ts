// All that the page shows, and what can happen to it. One store holds it (store.ts); components only read it.
import type { Member, NodeStatus } from '../../src/client/client.ts';
import type { Figures } from './figures.ts';
import type { NodeLogs } from './logs.ts';
import { MessageBook, type ReceiptsOf, type Summary } from './message-book.ts';
import { nodesOf, withStates, type Nodes } from './nodes.ts';

/** The line over which news come. */
export type Link =
  | { readonly status: 'connecting' }
  | { readonly status: 'open' }
  /** Tried again at `retryAt`, milliseconds since 1970. */
  | { readonly status: 'cut'; readonly reason: string; readonly retryAt: number };

/** The node that was chosen, as it sees itself; `fault`: why it does not say. */
export interface Inspection {
  readonly guid: number;
  readonly status: NodeStatus | null;
  readonly roster: readonly Member[];
  readonly fault: string | null;
}

export interface State {
  /** `error`: nothing was ever heard of the network, and why. */
  readonly phase: 'loading' | 'ready' | 'error';
  readonly fault: string | null;
  /** Where receipts come from: the beacon, or the streams of `followed` nodes. Null: not known yet. */
  readonly source: 'beacon' | 'nodes' | null;
  readonly followed: number;
  readonly link: Link;
  readonly network: string | null;
  readonly version: string | null;
  /** Whose roster is shown; 0: the boot node's, null: nobody's yet. */
  readonly viewpoint: number | null;
  /** Whether that one has answered the last time it was asked. */
  readonly isRosterFresh: boolean;
  readonly nodes: Nodes;
  /** Changes in place; `revision` tells that it did. */
  readonly book: MessageBook;
  readonly revision: number;
  readonly selectedNode: number | null;
  /** Null: the latest. */
  readonly selectedMessage: string | null;
  readonly inspection: Inspection | null;
  /** Of the selected node. Null: not asked for yet. */
  readonly logs: NodeLogs | null;
  /** Content of messages as JSON, by id. */
  readonly contents: ReadonlyMap<string, string>;
  readonly figures: Figures | null;
  readonly operator: Operator;
}

export interface Operator {
  readonly hasToken: boolean;
  readonly isBusy: boolean;
  readonly notice: { readonly kind: 'done' | 'failed'; readonly text: string } | null;
}

export type Action =
  | { readonly type: 'source'; readonly source: 'beacon' | 'nodes'; readonly followed?: number }
  | { readonly type: 'link'; readonly link: Link }
  | {
      readonly type: 'roster';
      readonly status: NodeStatus;
      readonly prefix: string | null;
      readonly members: readonly Member[];
    }
  | { readonly type: 'roster-failed'; readonly fault: string }
  | { readonly type: 'states'; readonly states: readonly (readonly [guid: number, state: string])[] }
  | { readonly type: 'receipts'; readonly messages: readonly ReceiptsOf[] }
  | { readonly type: 'summaries'; readonly summaries: readonly Summary[] }
  | { readonly type: 'content'; readonly id: string; readonly text: string }
  | { readonly type: 'select-node'; readonly guid: number | null }
  | { readonly type: 'select-message'; readonly id: string | null }
  | { readonly type: 'inspection'; readonly inspection: Inspection }
  | { readonly type: 'logs'; readonly logs: NodeLogs }
  | { readonly type: 'figures'; readonly figures: Figures }
  | { readonly type: 'operator'; readonly operator: Partial<Operator> };

/** Contents that are kept; the first gives way. */
const CONTENTS_MAX = 100;

export function initialState(): State {
  return {
    phase: 'loading',
    fault: null,
    source: null,
    followed: 0,
    link: { status: 'connecting' },
    network: null,
    version: null,
    viewpoint: null,
    isRosterFresh: false,
    nodes: new Map(),
    book: new MessageBook(),
    revision: 0,
    selectedNode: null,
    selectedMessage: null,
    inspection: null,
    logs: null,
    contents: new Map(),
    figures: null,
    operator: { hasToken: false, isBusy: false, notice: null },
  };
}

/** The state after an action. Receipts are folded by the store, which also tells the ring of what is new. */
export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case 'source':
      return { ...state, source: action.source, followed: action.followed ?? 0 };
    case 'link':
      return { ...state, link: action.link };
    case 'roster':
      return {
        ...state,
        phase: 'ready',
        fault: null,
        network: action.status.network,
        version: action.status.version,
        viewpoint: action.status.guid,
        isRosterFresh: true,
        nodes: nodesOf(action.members, state.nodes, action.prefix),
      };
    case 'roster-failed':
      return {
        ...state,
        phase: state.phase === 'ready' ? 'ready' : 'error',
        fault: action.fault,
        isRosterFresh: false,
      };
    case 'states':
      return { ...state, nodes: withStates(state.nodes, action.states) ?? state.nodes };
    case 'receipts':
    case 'summaries':
      return { ...state, revision: state.revision + 1 };
    case 'content':
      return { ...state, contents: withContent(state.contents, action.id, action.text) };
    case 'select-node':
      return { ...state, selectedNode: action.guid, inspection: null, logs: null };
    case 'select-message':
      return { ...state, selectedMessage: action.id };
    case 'inspection':
      // An answer that comes late is another node's.
      return action.inspection.guid === state.selectedNode ? { ...state, inspection: action.inspection } : state;
    case 'logs':
      return isAsked(state, action.logs) ? { ...state, logs: action.logs } : state;
    case 'figures':
      return { ...state, figures: action.figures };
    case 'operator':
      return withOperator(state, { ...state.operator, ...action.operator });
  }
}

/** An answer that comes late is another node's, or nobody's who has the token. */
function isAsked({ selectedNode, operator }: State, logs: NodeLogs): boolean {
  return logs.guid === selectedNode && operator.hasToken;
}

/** Without the token there is nothing on the page that needed it. */
function withOperator(state: State, operator: Operator): State {
  return { ...state, operator, logs: operator.hasToken ? state.logs : null };
}

function withContent(contents: State['contents'], id: string, text: string): State['contents'] {
  const all = [...contents, [id, text] as const];
  return new Map(all.slice(-CONTENTS_MAX));
}
