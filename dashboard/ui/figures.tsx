// What the network does and costs.
import { costOf } from '../state/figures.ts';
import type { State } from '../state/state.ts';
import { memberCount } from '../state/nodes.ts';
import { PRICES, PRICES_READ_ON } from '../state/prices.ts';
import { dollars, duration, percent, plural, whole } from './words.ts';

export function Figures({ state }: { readonly state: State }) {
  const { figures, nodes, book } = state;
  const counted = figures?.counted ?? null;
  const hour = figures?.hour && figures.hour.messages > 0 ? figures.hour : null;
  const cost = costOf(figures ?? { hour, counted }, memberCount(nodes));
  // Without a beacon: of what this page has seen.
  const seen = book.newest(50).flatMap((spread) => spread.timeTo(0.95) ?? []);
  const t95 = hour ? hour.t95 : median(seen);
  const copies = hour ? hour.deliveries_per_member : (counted?.copies ?? null);
  return (
    <section class="figures" aria-labelledby="figures-title">
      <h2 id="figures-title">Figures</h2>
      <dl>
        <Item value={whole(memberCount(nodes))} name="members" />
        <Item
          value={copies === null ? '–' : copies.toFixed(3)}
          name="sends per node and message"
          note="1.000 is one to each"
        />
        <Item
          value={duration(t95)}
          name="to 95 % of the members"
          note={hour ? 'median of the last hour' : `median of ${plural(seen.length, 'message')} seen here`}
        />
        {hour && (
          <Item
            value={percent(hour.coverage)}
            name="coverage"
            note={`${whole(hour.complete)} of ${plural(hour.messages, 'message')} reached all, last hour; without what is under way`}
          />
        )}
        <Item
          value={cost.rows === null ? '–' : whole(cost.rows)}
          name="rows per million deliveries"
          note={cost.why ?? 'all that was written: joins and syncs too'}
        />
        <Item value={dollars(cost.dollars)} name="per million deliveries" />
      </dl>
      <p class="soft small">
        {counted === null
          ? 'Counters come from nodes that this deployment hosts.'
          : `${plural(counted.deliveries, 'delivery')} counted by ${counted.nodes} of ${plural(counted.hosted, 'hosted node')}, as far back as their counters go.`}{' '}
        Dollars a million: rows {PRICES.rowsWritten.toFixed(2)}, queue operations {PRICES.queueOperations.toFixed(2)},
        requests {PRICES.objectRequests.toFixed(2)} (read on {PRICES_READ_ON}).
      </p>
    </section>
  );
}

function Item({ value, name, note }: { readonly value: string; readonly name: string; readonly note?: string }) {
  return (
    <div>
      <dd>{value}</dd>
      <dt>
        {name}
        {note !== undefined && <span class="soft small">{note}</span>}
      </dt>
    </div>
  );
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
