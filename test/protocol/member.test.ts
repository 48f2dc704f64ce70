import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADDRESS_CHARS_MAX,
  CAPABILITIES_MAX,
  CAPABILITY_CHARS_MAX,
  GUID_MAX,
  MEMBER_BYTES_MAX,
} from '../../src/protocol/limits.ts';
import { isNewer, isRenewed, pickMember, pickSelf, readMember, writeMember } from '../../src/protocol/member.ts';
import type { JsonValue, Peer } from '../../src/protocol/types.ts';
import { certificate, keyOf, member, NO_SIGNATURE, outsider, selfRecord } from '../support/signed.ts';

const capability = fc.stringMatching(new RegExp(`^[a-z0-9-]{1,${CAPABILITY_CHARS_MAX}}$`));

describe('a member record', () => {
  it('goes to JSON and back', () => {
    const seconds = fc.integer({ min: 1, max: 99_999_999_999 }).map((value) => value * 1000);
    const record = fc.record({
      guid: fc.integer({ min: 1, max: GUID_MAX }),
      incarnation: fc.maxSafeNat(),
      capabilities: fc.array(capability, { maxLength: CAPABILITIES_MAX }),
      certificate: fc.record({ issuedAt: seconds, expiresAt: seconds, signature: fc.constant(NO_SIGNATURE) }),
    });
    fc.assert(
      fc.property(record, (changes) => {
        const sent = outsider(changes.guid, changes);
        expect(readMember(JSON.parse(JSON.stringify(writeMember(sent))) as JsonValue)).toEqual(sent);
      }),
    );
  });

  it('at its longest is no longer than the limits say', () => {
    const longest = member(GUID_MAX, {
      address: `https://${'x'.repeat(ADDRESS_CHARS_MAX - 8)}`,
      incarnation: Number.MAX_SAFE_INTEGER,
      capabilities: Array.from({ length: CAPABILITIES_MAX }, () => 'c'.repeat(CAPABILITY_CHARS_MAX)),
      certificate: certificate({ issuedAt: 99_999_999_999_000, expiresAt: 99_999_999_999_000 }),
    });
    expect(readMember(writeMember(longest))).toEqual(longest);
    expect(JSON.stringify(writeMember(longest)).length).toBeLessThanOrEqual(MEMBER_BYTES_MAX);
  });

  const sound = writeMember(member(7));
  const proof = sound['certificate'] as { [key: string]: JsonValue };

  it.each<[string, JsonValue[]]>([
    ['guid', [0, -1, 1.5, '7', null, GUID_MAX + 1]],
    ['address', ['', 'a b', 'a"b', 7, null, 'x'.repeat(ADDRESS_CHARS_MAX + 1)]],
    ['public_key', ['', 'x', 7, null, keyOf(7).slice(1), `${keyOf(7)}A`, `${keyOf(7).slice(0, -1)}B`]],
    ['incarnation', [-1, 0.5, 1e300, '0', null, Number.MAX_SAFE_INTEGER + 1]],
    ['capabilities', [null, 'sync', {}, [1], [''], ['A'], ['a b'], ['x'.repeat(CAPABILITY_CHARS_MAX + 1)]]],
    ['capabilities', [Array.from({ length: CAPABILITIES_MAX + 1 }, () => 'x')]],
    ['signature', ['', null, 7, NO_SIGNATURE.slice(1), `${NO_SIGNATURE}A`, `${NO_SIGNATURE.slice(1)}B`]],
    ['certificate', [null, '', [], {}, 7]],
  ])('with a bad %s is none', (field, values) => {
    expect(values.filter((value) => readMember({ ...sound, [field]: value }) !== null)).toEqual([]);
    const { [field]: _, ...without } = sound;
    expect(readMember(without)).toBeNull();
  });

  it.each<[string, JsonValue[]]>([
    ['issued', [0, -1, 1.5, '1', null, 1e11]],
    ['expires', [0, -1, 1.5, '1', null, 1e11]],
    ['signature', ['', null, 'x', NO_SIGNATURE.slice(1)]],
  ])('with a bad %s in its certificate is none', (field, values) => {
    const taken = values.filter(
      (value) => readMember({ ...sound, certificate: { ...proof, [field]: value } }) !== null,
    );
    expect(taken).toEqual([]);
  });

  it.each([null, [], 7, 'member', true, {}])('is not %j', (value) => {
    expect(readMember(value as JsonValue)).toBeNull();
    expect(readMember(undefined)).toBeNull();
  });

  it('holds nothing but what is signed, whatever else came with it', () => {
    expect(readMember({ ...sound, state: 'alive', admin: true })).toEqual(member(7));
    const opinion = { state: 'alive', lastSeen: 1, failures: 0, troubledSince: null, proved: true, since: 1 } as const;
    const peer: Peer = { ...member(7), ...opinion };
    expect(pickMember(peer)).toEqual(member(7));
    expect(pickSelf(peer)).toEqual(selfRecord(7));
  });
});

describe('news of a member', () => {
  const known = member(7, { incarnation: 3, certificate: certificate({ issuedAt: 5_000 }) });

  it.each([
    ['the same again', {}, false],
    ['a higher incarnation', { incarnation: 4 }, true],
    ['a lower incarnation', { incarnation: 2 }, false],
    ['a later certificate', { certificate: certificate({ issuedAt: 6_000 }) }, true],
    ['an earlier certificate', { certificate: certificate({ issuedAt: 4_000 }) }, false],
    [
      'a lower incarnation with a later certificate',
      { incarnation: 2, certificate: certificate({ issuedAt: 6_000 }) },
      true,
    ],
    ['another address under the same incarnation', { address: 'local:/n/8' }, false],
    [
      'a longer certificate of the same time',
      { certificate: certificate({ issuedAt: 5_000, expiresAt: 9e15 }) },
      false,
    ],
  ])('%s: %o is %s', (_, changes, isNews) => {
    expect(isNewer(member(7, { incarnation: 3, certificate: known.certificate, ...changes }), known)).toBe(isNews);
  });

  it('only a later certificate renews', () => {
    expect(isRenewed(member(7, { incarnation: 9, certificate: known.certificate }), known)).toBe(false);
    expect(isRenewed(member(7, { certificate: certificate({ issuedAt: 6_000 }) }), known)).toBe(true);
  });
});
