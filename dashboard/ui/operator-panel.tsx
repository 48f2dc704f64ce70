// What an operator may do: give the token, and broadcast.
import { useState } from 'preact/hooks';
import type { Nodes } from '../state/nodes.ts';
import type { ViewProps } from './app.tsx';

export function OperatorPanel({ state, page }: ViewProps) {
  const { hasToken, notice } = state.operator;
  return (
    <section class="operator" aria-labelledby="operator-title">
      <h2 id="operator-title">
        Broadcast
        {hasToken && (
          <button type="button" class="link back" onClick={() => page.operator.forgetToken()}>
            forget the token
          </button>
        )}
      </h2>
      {hasToken ? <Composer state={state} page={page} /> : <TokenForm state={state} page={page} />}
      <p class={notice ? `notice ${notice.kind}` : 'notice'} role="status">
        {notice?.text}
      </p>
    </section>
  );
}

function TokenForm({ state, page }: ViewProps) {
  const [token, setToken] = useState('');
  const [isKept, setKept] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    void page.operator.takeToken(token, isKept);
  };
  return (
    <form onSubmit={submit}>
      <label>
        Admin token
        <input
          type="password"
          name="token"
          autocomplete="off"
          required
          value={token}
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
        />
      </label>
      <label class="check">
        <input type="checkbox" checked={isKept} onChange={({ currentTarget }) => setKept(currentTarget.checked)} />
        keep it until this tab is closed
      </label>
      <button type="submit" disabled={state.operator.isBusy}>
        Use it
      </button>
    </form>
  );
}

function Composer({ state, page }: ViewProps) {
  const [text, setText] = useState('{"hello": "world"}');
  const [slot, setSlot] = useState<number | null>(null);
  const slots = slotsOf(state.nodes);
  const chosen = state.selectedNode === null ? null : (state.nodes.get(state.selectedNode)?.slot ?? null);
  const from = slot ?? chosen ?? slots[0] ?? 1;
  const submit = (event: Event) => {
    event.preventDefault();
    void page.operator.broadcast(from, text);
  };
  return (
    <form onSubmit={submit}>
      <label>
        From node
        <input
          type="number"
          name="slot"
          min={1}
          max={Math.max(1, ...slots)}
          value={from}
          onInput={({ currentTarget }) => setSlot(currentTarget.valueAsNumber || null)}
        />
      </label>
      <label class="wide">
        Message, a JSON object
        <textarea
          name="message"
          rows={2}
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <button type="submit" class="strong" disabled={state.operator.isBusy}>
        Broadcast
      </button>
    </form>
  );
}

function slotsOf(nodes: Nodes): number[] {
  return [...nodes.values()].flatMap(({ slot }) => slot ?? []).sort((a, b) => a - b);
}
