import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson, pathText, scanJson } from '../../src/protocol/scan-json.ts';
import type { JsonValue } from '../../src/protocol/types.ts';

const LIMITS = { depthMax: 64 };

function refusal(text: string, depthMax = LIMITS.depthMax): { path: string; message: string } {
  const result = scanJson(text, { depthMax });
  if (result.ok) throw new Error(`passed: ${text.slice(0, 80)}`);
  return result.error;
}

describe('what passes', () => {
  test.each([
    'null',
    ' true ',
    '"a\\u00e9\\n\\"\\/é😀"',
    '"\\ud83d\\ude00"',
    '[]',
    '{}',
    '[1,[2,{"a":[]}],"x"]\r\n\t',
    '{"a":{"a":1},"b":{"a":1}}',
    '{"constructor":1,"toString":2,"":3}',
  ])('%s', (text) => {
    expect(parseJson(text, LIMITS)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  test.each([
    '0',
    '-0',
    '0.0',
    '0e999999999999999999999',
    '1.10',
    '1e2',
    '1E+2',
    '0.1',
    '-12.5e-3',
    '123456789012345678e0'.slice(0, 15),
    '9007199254740991',
    '9007199254740992',
    '1e21',
    '10000000000000000000000',
    '1e23',
    '5e-324',
    '1.7976931348623157e308',
    '1700000000.123',
    `1${'0'.repeat(300)}`,
    `0.${'0'.repeat(300)}1`,
    `1.${'0'.repeat(10_000)}`,
  ])('number %s', (text) => {
    expect(parseJson(text, LIMITS)).toEqual({ ok: true, value: JSON.parse(text) });
    expect(parseJson(`[${text}]`, LIMITS).ok).toBe(true);
  });
});

describe('what is refused', () => {
  test.each([
    '',
    ' ',
    '{',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    "{'a':1}",
    '[1 2]',
    '1 2',
    '{}{}',
    ']',
    '}',
    '[}',
    '{]',
    '[1}',
    'nul',
    'NaN',
    'Infinity',
    'undefined',
    'tru e',
    '01',
    '-',
    '+1',
    '.5',
    '1.',
    '1e',
    '0x10',
    '1_0',
    '-a',
    '"',
    '"\\',
    '"\\u',
    '"\\u12',
    '"\\x41"',
    '"\\u12g4"',
    '"a\nb"',
    '"\t"',
    '"\u0000"',
    '/* */1',
    '\ufeff1',
    '\u00a01',
    ',',
    ':',
    '{"a"  1}',
    '{,}',
    '[,]',
    '{1:2}',
    '"a" "b"',
  ])('syntax %j', (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    refusal(text);
  });

  test.each([
    '9007199254740993',
    '-9007199254740993',
    '1e400',
    '-1e400',
    '1e-400',
    '3.14159265358979323846',
    '0.1000000000000000055511151231257827',
    '123456789012345678',
    `1${'0'.repeat(400)}`,
    `0.${'0'.repeat(400)}1`,
  ])('number %s', (text) => {
    expect(refusal(`{"a":[0,${text}]}`)).toEqual({
      path: 'a[1]',
      message: 'the number cannot be kept exactly: send it as a string',
    });
  });

  test.each([
    '"\ud800"',
    '"\udc00"',
    '"\\ud800"',
    '"\\uDC00"',
    '"\\ud800x"',
    '"\\ud83d\\ud83d\\ude00"',
    '"\ud800\\n"',
    '"\\ude00\\ud83d"',
  ])('lone surrogate %j', (text) => {
    expect(refusal(`{"a":${text}}`)).toMatchObject({ path: 'a', message: expect.stringContaining('lone surrogate') });
  });

  test('surrogates of a pair may be written in different ways', () => {
    expect(scanJson('"\ud83d\\ude00"', LIMITS).ok).toBe(true);
    expect(scanJson('"\\ud83d\ude00"', LIMITS).ok).toBe(true);
  });

  test('a key twice, however it is written', () => {
    expect(refusal('{"x":{"a":1,"b":2,"a":3}}')).toEqual({ path: 'x.a', message: 'the key is in the object twice' });
    expect(refusal('{"a":1,"\\u0061":2}').path).toBe('a');
    expect(scanJson('[{"a":1},{"a":1}]', LIMITS).ok).toBe(true);
  });

  test('__proto__, however it is written', () => {
    expect(refusal('{"data":{"__proto__":{}}}')).toEqual({
      path: 'data.__proto__',
      message: 'the key __proto__ is not allowed',
    });
    expect(refusal('{"\\u005f_proto__":1}').path).toBe('__proto__');
    expect(scanJson('["__proto__"]', LIMITS).ok).toBe(true);
  });

  test('depth: the limit passes, one more does not', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(scanJson(nested(64), LIMITS).ok).toBe(true);
    expect(refusal(nested(65)).message).toBe('nested deeper than 64');
    expect(refusal('[[{"a":[]}]]', 3)).toEqual({ path: '[0][0].a', message: 'nested deeper than 3' });
    expect(scanJson('1', { depthMax: 0 }).ok).toBe(true);
    expect(refusal('[]', 0).path).toBe('');
  });

  test('hundreds of thousands of brackets, digits, keys', () => {
    refusal('['.repeat(1_000_000));
    refusal('{"a":'.repeat(200_000));
    refusal(`0.${'0'.repeat(500_000)}1`);
    refusal('1'.repeat(1_000_000));
    const keys = Array.from({ length: 50_000 }, (_, i) => `"k${i}":${i}`).join();
    expect(scanJson(`{${keys}}`, LIMITS).ok).toBe(true);
    refusal(`{${keys},"k0":0}`);
  });

  test('the place is told, and is short', () => {
    expect(refusal('{"a":{"odd key":[1,2,nope]}}')).toEqual({
      path: 'a["odd key"][2]',
      message: 'not JSON: wrong at character 22, expected value',
    });
    expect(refusal('{"a":1,}').path).toBe('');
    expect(refusal('{"a":1,"b" 2}')).toEqual({ path: 'b', message: 'not JSON: wrong at character 12, expected :' });
    expect(refusal(`{"${'k'.repeat(100_000)}":nope}`).path.length).toBeLessThan(300);
    expect(refusal(`${`{"${'k'.repeat(200)}":`.repeat(60)}nope`).path.length).toBeLessThan(300);
  });
});

describe('properties', () => {
  const key = fc.string({ unit: 'binary' }).filter((text) => text !== '__proto__');
  const value = fc.letrec<{ node: JsonValue }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('node'), { maxLength: 5 }),
      fc.dictionary(key, tie('node'), { maxKeys: 5 }),
    ),
  })).node;

  test('what JSON.stringify writes passes and is unchanged', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), (input, indent) => {
        const text = JSON.stringify(input, null, indent);
        const result = parseJson(text, { depthMax: 1000 });
        expect(result).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 500 },
    );
  });

  test('fc.jsonValue() too', () => {
    const clean = fc.jsonValue().filter((input) => {
      const text = JSON.stringify(input);
      return !/\\ud[89a-f]/i.test(text) && !text.includes('"__proto__"');
    });
    fc.assert(
      fc.property(clean, (input) => {
        const text = JSON.stringify(input);
        expect(parseJson(text, { depthMax: 1000 })).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 500 },
    );
  });

  test('never throws, and never passes what JSON.parse does not', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '"b"',
      '\\',
      'u',
      '1',
      '-',
      '.',
      'e',
      '0',
      ' ',
      'true',
      '\ud800',
      '\u0001',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
        ),
        (text) => {
          const result = parseJson(text, LIMITS);
          if (result.ok) expect(result.value).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('one character taken from a good text is judged as JSON.parse judges it, or more strictly', () => {
    fc.assert(
      fc.property(value, fc.nat(), (input, at) => {
        const whole = JSON.stringify(input);
        const text = whole.slice(0, at % whole.length) + whole.slice((at % whole.length) + 1);
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        const result = scanJson(text, { depthMax: 1000 });
        if (!parses) expect(result.ok).toBe(false);
        else if (!result.ok) expect(result.error.message).not.toContain('not JSON');
      }),
      { numRuns: 1_000 },
    );
  });
});

test('paths', () => {
  expect(pathText([])).toBe('');
  expect(pathText(['data', 'items', 3, 'x'])).toBe('data.items[3].x');
  expect(pathText([0, 'a b', '', 'ok'])).toBe('[0]["a b"][""].ok');
});
