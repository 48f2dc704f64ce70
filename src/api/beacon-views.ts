// The beacon's figures, from the protocol's units (milliseconds, camelCase) to the wire's (seconds, snake_case), and reports both ways.
import type * as z from 'zod';
import type { Aggregate } from '../protocol/beacon-aggregates.ts';
import type { Coverage } from '../protocol/beacon-message.ts';
import type { Report } from '../protocol/beacon-report.ts';
import type { Guid, Millis } from '../protocol/types.ts';
import type * as schemas from './beacon-schemas.ts';
import type { BeaconSummary, CoverageDetail } from './ports.ts';

type Wire<Schema extends z.ZodType> = z.output<Schema>;

export function coverageView(coverage: Coverage): Wire<typeof schemas.coverage> {
  const { id, originator, broadcastAt, expiresAt, members, received } = coverage;
  return {
    id,
    originator,
    broadcast_timestamp: toSeconds(broadcastAt),
    expires_at: toSeconds(expiresAt),
    members,
    received,
    missing: Math.max(0, members - received),
    t50: orNull(coverage.t50),
    t95: orNull(coverage.t95),
    t100: orNull(coverage.t100),
    hops_max: coverage.hopsMax,
    hops_mean: coverage.hopsMean,
    duplicates: coverage.duplicates,
  };
}

export function coverageDetailView(detail: CoverageDetail): Wire<typeof schemas.coverageDetail> {
  return {
    ...coverageView(detail),
    receipts: detail.receipts.map(({ guid, after, hops, from }) => ({ guid, after: toSeconds(after), hops, from })),
    missing_guids: [...detail.missing],
  };
}

export function beaconSummaryView(summary: BeaconSummary): Wire<typeof schemas.beaconSummary> {
  const { time, network, members, hour, day, kept } = summary;
  return {
    time: toSeconds(time),
    network,
    members,
    hour: aggregateView(hour),
    day: aggregateView(day),
    kept: { messages: kept.messages, oldest: orNull(kept.oldest) },
  };
}

function aggregateView(aggregate: Aggregate): Wire<typeof schemas.beaconSummary>['hour'] {
  const { messages, deliveries, duplicates, complete, coverage } = aggregate;
  return {
    messages,
    deliveries,
    duplicates,
    complete,
    coverage,
    t50: orNull(aggregate.t50),
    t95: orNull(aggregate.t95),
    t100: orNull(aggregate.t100),
    t95_p95: orNull(aggregate.t95P95),
    hops_max: aggregate.hopsMax,
    deliveries_per_member: aggregate.deliveriesPerMember,
  };
}

/** A report as it is sent over HTTP; whose it is the signature says. */
export function reportView(report: Report): Wire<typeof schemas.beaconReport> {
  const { instance, number, after, through, live, receipts, duplicates } = report;
  return {
    instance,
    number,
    after,
    through,
    live: live.map(([first, last]) => [first, last]),
    receipts: receipts.map((receipt) => ({
      id: receipt.id,
      originator: receipt.originator,
      broadcast_timestamp: toSeconds(receipt.broadcastAt),
      expires_at: toSeconds(receipt.expiresAt),
      received_at: toSeconds(receipt.receivedAt),
      hops: receipt.hops,
      from: receipt.from,
    })),
    duplicates: duplicates.map(([id, count]) => [id, count]),
  };
}

/** The report that a member has sent. */
export function reportOf(guid: Guid, wire: Wire<typeof schemas.beaconReport>): Report {
  const { instance, number, after, through, live, receipts, duplicates } = wire;
  return {
    guid,
    instance,
    number,
    after,
    through,
    live,
    receipts: receipts.map((receipt) => ({
      id: receipt.id,
      originator: receipt.originator,
      broadcastAt: toMillis(receipt.broadcast_timestamp),
      expiresAt: toMillis(receipt.expires_at),
      receivedAt: toMillis(receipt.received_at),
      hops: receipt.hops,
      from: receipt.from,
    })),
    duplicates,
  };
}

function orNull(at: Millis | null): number | null {
  return at === null ? null : toSeconds(at);
}

function toSeconds(at: Millis): number {
  return at / 1000;
}

function toMillis(seconds: number): Millis {
  return Math.round(seconds * 1000);
}
