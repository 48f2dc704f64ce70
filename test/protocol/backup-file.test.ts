import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressGroup } from '../../src/protocol/address.ts';
import { readAllocation, writeAllocation } from '../../src/protocol/allocation.ts';
import { BackupReader, BackupWriter, type BackupHead, type LineFault } from '../../src/protocol/backup-file.ts';
import { BACKUP_ENTRY_BYTES_MAX, CAPABILITIES_MAX, CAPABILITY_CHARS_MAX, GUID_MAX } from '../../src/protocol/limits.ts';
import type { Allocation } from '../../src/protocol/store.ts';
import type { JsonValue } from '../../src/protocol/types.ts';
import { keyOf, member, outsider } from '../support/signed.ts';

const SECRET = `${'s'.repeat(42)}A`;
const HEAD: BackupHead = { network: 'test', networkKey: keyOf(0), privateKey: null, maxGuid: 9 };

const allocation = (guid: number, changes: Partial<Allocation> = {}): Allocation => ({
  ...member(guid),
  group: addressGroup(member(guid).address),
  joinedAt: 1_700_000_000_123 + guid,
  ...changes,
});

function linesOf(allocations: readonly Allocation[], head: BackupHead = HEAD, count = allocations.length): string[] {
  const writer = new BackupWriter();
  const first = writer.head(head, count, 1_700_000_000.5);
  return [first, ...allocations.map((each) => writer.entry(writeAllocation(each))), writer.end()];
}

/** Reads lines to the end, or to the first that is wrong. */
function read(lines: readonly string[]): { found: Allocation[]; head: BackupHead | null; fault: LineFault | null } {
  const reader = new BackupReader();
  const found: Allocation[] = [];
  for (const line of lines) {
    const pushed = reader.push(line);
    if (!pushed.ok) return { found, head: reader.head, fault: pushed.error };
    if (pushed.value) found.push(pushed.value);
  }
  const ended = reader.end();
  return { found, head: reader.head, fault: ended.ok ? null : ended.error };
}

const altered = (lines: readonly string[], index: number, change: (line: string) => string) =>
  lines.map((line, at) => (at === index ? change(line) : line));

/** A line with fields replaced. */
const fields = (changes: object) => (line: string) => JSON.stringify({ ...(JSON.parse(line) as object), ...changes });

describe('a backup', () => {
  const all = [1, 2, 5, 9].map((guid) => allocation(guid));

  it('read again is what was written', () => {
    expect(read(linesOf(all))).toEqual({ found: all, head: HEAD, fault: null });
    const keyed = { ...HEAD, privateKey: SECRET };
    expect(read(linesOf(all, keyed)).head).toEqual(keyed);
    expect(read(linesOf([]))).toEqual({ found: [], head: HEAD, fault: null });
  });

  it('has the secret half of the key only where it is meant to', () => {
    expect(linesOf(all)[0]).not.toContain('private_key');
    expect(linesOf(all, { ...HEAD, privateKey: SECRET })[0]).toContain(SECRET);
  });

  it('that was cut off, after whichever character, is refused', () => {
    const whole = `${linesOf(all.slice(0, 2)).join('\n')}\n`;
    for (let length = 0; length < whole.length - 1; length++) {
      const cut = whole.slice(0, length);
      const { fault } = read(cut === '' ? [] : cut.replace(/\n$/, '').split('\n'));
      expect({ cut, fault }).not.toEqual({ cut, fault: null });
    }
    expect(read(linesOf(all).slice(0, -1)).fault).toEqual({
      line: 6,
      field: '',
      message: 'missing: the file is cut off, its last line has a count and a hash',
    });
  });

  it('of which any one character was changed is refused', () => {
    const whole = linesOf(all).join('\n');
    const position = fc.nat(whole.length - 1);
    fc.assert(
      fc.property(position, fc.constantFrom('0', '7', 'x', 'A', ' ', '"', '\n', '}'), (at, by) => {
        fc.pre(whole[at] !== by);
        expect(read(`${whole.slice(0, at)}${by}${whole.slice(at + 1)}`.split('\n')).fault).not.toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it.each<[string, number, (line: string) => string, number, string]>([
    ['another version', 0, fields({ format: 'pychain-boot-backup/2' }), 1, 'format'],
    ['another kind of file', 0, () => '{"hello":"world"}', 1, 'format'],
    ['no network', 0, fields({ network: 7 }), 1, 'network'],
    ['a key that is none', 0, fields({ network_key: 'x' }), 1, 'network_key'],
    ['a secret that is none', 0, fields({ private_key: 'x' }), 1, 'private_key'],
    ['a highest GUID that is none', 0, fields({ max_guid: GUID_MAX + 1 }), 1, 'max_guid'],
    ['more allocations than GUIDs', 0, fields({ count: 10 }), 1, 'count'],
    ['fewer allocations than it says', 0, fields({ count: 5 }), 6, 'count'],
    ['more allocations than it says', 0, fields({ count: 3 }), 5, ''],
    ['no JSON', 2, (line) => line.slice(0, 40), 3, ''],
    ['a list', 2, () => '[]', 3, ''],
    ['a GUID that is none', 2, fields({ guid: 0 }), 3, 'guid'],
    ['a GUID twice', 2, fields({ guid: 1 }), 3, 'guid'],
    ['a GUID above the highest', 4, fields({ guid: 10 }), 5, 'guid'],
    ['a key twice', 2, fields({ public_key: keyOf(1) }), 3, 'public_key'],
    ['an address that is none', 2, fields({ address: 'a b' }), 3, 'address'],
    ['an incarnation that is none', 2, fields({ incarnation: -1 }), 3, 'incarnation'],
    ['capabilities that are none', 2, fields({ capabilities: ['UPPER'] }), 3, 'capabilities'],
    ['a signature that is none', 2, fields({ signature: '' }), 3, 'signature'],
    ['a certificate that is none', 2, fields({ certificate: {} }), 3, 'certificate'],
    ['a time that is none', 2, fields({ joined_at: '1' }), 3, 'joined_at'],
    ['an altered address', 2, fields({ address: 'local:/n/7' }), 6, 'sha256'],
    ['an altered key of the network', 0, fields({ network_key: keyOf(3) }), 6, 'sha256'],
    ['another hash', 5, fields({ sha256: '0'.repeat(64) }), 6, 'sha256'],
    ['another count at the end', 5, fields({ count: 3 }), 6, 'count'],
  ])('with %s is refused by line and field', (_name, index, change, line, field) => {
    expect(read(altered(linesOf(all), index, change)).fault).toMatchObject({ line, field });
  });

  it('with a line too many, or one that is too long, is refused', () => {
    expect(read([...linesOf(all), '{}']).fault).toMatchObject({ line: 7, field: '' });
    const long = altered(linesOf(all), 1, fields({ more: 'x'.repeat(BACKUP_ENTRY_BYTES_MAX) }));
    expect(read(long).fault).toMatchObject({ line: 2, message: expect.stringContaining('longer') });
  });

  it('has room in a line for the longest allocation', () => {
    const capabilities = Array.from({ length: CAPABILITIES_MAX }, () => 'c'.repeat(CAPABILITY_CHARS_MAX));
    const long = allocation(GUID_MAX, {
      address: `https://${'a'.repeat(248)}`,
      incarnation: Number.MAX_SAFE_INTEGER,
      capabilities,
      certificate: { issuedAt: 99_999_999_998_999, expiresAt: 99_999_999_999_123, signature: member(1).signature },
      joinedAt: 99_999_999_999_123,
    });
    expect(read(linesOf([long], { ...HEAD, maxGuid: GUID_MAX })).fault).toBeNull();
  });
});

describe('an allocation as JSON', () => {
  it.each([
    ['a member', outsider(3)],
    [
      'one of before records were signed',
      { ...member(3), signature: '', certificate: { issuedAt: 0, expiresAt: 0, signature: '' } },
    ],
    [
      'one whose place another took',
      { ...member(3), certificate: { ...member(3).certificate, expiresAt: 1_700_000_000_777 } },
    ],
  ])('%s: read again it is the same', (_name, told) => {
    const whole = { ...told, group: addressGroup(told.address), joinedAt: 1_699_999_999_999 };
    const json = JSON.parse(JSON.stringify(writeAllocation(whole))) as JsonValue;
    expect(readAllocation(json)).toEqual({ ok: true, value: whole });
  });
});
