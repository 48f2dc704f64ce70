import { describe, expect, it } from 'vitest';
import type { Call, CallVerdict } from '../../src/protocol/effects.ts';
import { CALLS_BURST, NONCES_MAX } from '../../src/protocol/limits.ts';
import { DEMERITS } from '../../src/protocol/standing.ts';
import { certificate, keyOf, outsider } from '../support/signed.ts';
import { lines, Machine, SELF } from './machine.ts';

let drawn = 0;

function call(machine: Machine, guid: number, changes: Partial<Call> = {}): CallVerdict {
  const fixed = { publicKey: keyOf(guid), certificate: certificate(), nonce: `nonce-${drawn++}` };
  const reply = machine.submit({ type: 'call', call: { guid, ...fixed, expiresAt: machine.now + 60_000, ...changes } });
  if (reply.type !== 'call') throw new Error('no verdict');
  expect(machine.state.counters.get(`calls_${reply.verdict}`)).toBeGreaterThan(0);
  return reply.verdict;
}

describe('a signed call is', () => {
  it('answered, also where its caller is not known yet', () => {
    const machine = new Machine([outsider(7)]);
    expect(call(machine, 7)).toBe('ok');
    expect(call(machine, 8)).toBe('ok');
    // It proves who calls, not that there is a peer.
    expect(machine.stateOf(7)).toBe('probation');
    expect(machine.stateOf(8)).toBeNull();
  });

  it('answered once, also after an eviction', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    expect(call(machine, 7, { nonce: 'once-and-never-again' })).toBe('ok');
    expect(call(machine, 7, { nonce: 'once-and-never-again' })).toBe('replayed');
    machine.reload();
    expect(call(machine, 7, { nonce: 'once-and-never-again' })).toBe('replayed');
    expect(call(machine, 8, { nonce: 'once-and-never-again' })).toBe('ok');
  });

  it('limited where there are too many, without a row for what is refused', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    for (let count = 0; count < CALLS_BURST; count++) expect(call(machine, 7)).toBe('ok');
    const rows = machine.store.rowsWritten();
    expect(call(machine, 7)).toBe('limited');
    expect(machine.store.rowsWritten()).toBe(rows);
    expect(call(machine, 8)).toBe('ok');
    machine.now += 50;
    expect(call(machine, 7)).toBe('ok');
  });

  it('not heard where its caller misbehaved, until it has been quiet', () => {
    const machine = new Machine([outsider(7), outsider(8)]);
    machine.bring(
      7,
      Array.from({ length: 100 / DEMERITS.invalid }, () => machine.delivery({}, { hops: 99 })),
    );
    const rows = machine.store.rowsWritten();
    expect(call(machine, 7)).toBe('shut-out');
    expect(machine.store.rowsWritten()).toBe(rows);
    expect(call(machine, 8)).toBe('ok');
    machine.now += 60_000;
    expect(call(machine, 7)).toBe('ok');
  });

  it('refused where the GUID is known to be of another key, which somebody must look at', () => {
    const machine = new Machine([outsider(7)]);
    machine.take();
    const renewed = certificate({ issuedAt: 2_000 });
    expect(call(machine, 7, { publicKey: keyOf(77), certificate: renewed })).toBe('other-key');
    const [line] = lines(machine.take(), 'key_conflict');
    expect(line).toMatchObject({ level: 'CRITICAL', fields: { guid: 7, public_key: keyOf(77), known_key: keyOf(7) } });
    expect(machine.state.roster.get(7)).toMatchObject({ publicKey: keyOf(7), certificate: { issuedAt: 1_000 } });
    expect(call(machine, 7)).toBe('ok');
  });

  it('refused where somebody else has the GUID of this node', () => {
    const machine = new Machine();
    expect(call(machine, SELF, { publicKey: keyOf(77) })).toBe('other-key');
    expect(lines(machine.take(), 'key_conflict')).toHaveLength(1);
  });

  it('put off where no more nonces can be remembered, until some are forgotten', () => {
    const machine = new Machine();
    const [guids, each] = [NONCES_MAX / CALLS_BURST, CALLS_BURST];
    for (let guid = 100; guid < 100 + guids; guid++) {
      for (let count = 0; count < each; count++) expect(call(machine, guid)).toBe('ok');
    }
    expect(call(machine, 7)).toBe('busy');
    machine.now += 120_000;
    expect(call(machine, 7)).toBe('ok');
  });

  it('refused by a node that has not joined, or has left', () => {
    expect(call(new Machine(null), 7)).toBe('not-joined');
    const machine = new Machine([outsider(7)]);
    machine.state.setLeftAt(machine.now);
    expect(call(machine, 7)).toBe('not-joined');
  });
});

describe('the certificate that a call carries', () => {
  it('renews the one that is known, and an older one does not', () => {
    const machine = new Machine([outsider(7, { certificate: certificate({ issuedAt: 5_000 }) })]);
    call(machine, 7, { certificate: certificate({ issuedAt: 4_000 }) });
    expect(machine.state.roster.get(7)?.certificate.issuedAt).toBe(5_000);
    call(machine, 7, { certificate: certificate({ issuedAt: 6_000 }) });
    expect(machine.state.roster.get(7)?.certificate.issuedAt).toBe(6_000);
    machine.reload();
    expect(machine.state.roster.get(7)?.certificate.issuedAt).toBe(6_000);
  });

  it('is not taken from a call that was refused', () => {
    const machine = new Machine([outsider(7)]);
    call(machine, 7, { nonce: 'once-and-never-again' });
    const renewed = certificate({ issuedAt: 6_000 });
    expect(call(machine, 7, { nonce: 'once-and-never-again', certificate: renewed })).toBe('replayed');
    expect(machine.state.roster.get(7)?.certificate.issuedAt).toBe(1_000);
  });
});
