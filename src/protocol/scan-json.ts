// A strict look at JSON text before it is parsed: JSON.parse keeps the last of two equal keys, rounds numbers and passes
// lone surrogates, so what was parsed is not always what was sent. One pass, no recursion, linear in the text.
import { err, ok, type JsonValue, type Result } from './types.ts';

/** Where a text is refused and why. `path` as in `data.items[3]["odd key"]`; empty for the whole text. */
export interface ScanError {
  readonly path: string;
  readonly message: string;
}

export interface ScanLimits {
  /** Nested arrays and objects; `[[]]` is 2 deep. */
  readonly depthMax: number;
}

/** A longer path or key is cut: an error must not be as long as what caused it. */
const PATH_CHARS_MAX = 256;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;
/** More digits than any double needs to be told from its neighbours. */
const SIGNIFICANT_DIGITS_MAX = 17;
/** Integers of up to so many characters are exact whatever their digits. */
const SAFE_INTEGER_CHARS = 15;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;
const LOWER_U = 0x75;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** An array or object that is open at the place being read. */
interface Container {
  /** Keys so far; null for an array. */
  readonly keys: Set<string> | null;
  /** Where in it the scan is. */
  at: string | number;
}

/** What may follow. */
type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'comma or end' | 'nothing';

/**
 * Checks JSON text. Refused besides wrong syntax: nesting deeper than `depthMax`, a key twice in one object, the key
 * `__proto__`, lone surrogates, and numbers that are not what the double nearest to them prints as (9007199254740993,
 * 1e400), since those would be changed silently. `1.10` and `1e2` pass, `-0` passes as 0.
 */
export function scanJson(text: string, limits: ScanLimits): Result<null, ScanError> {
  return new Scanner(text, limits.depthMax).run();
}

/** {@link scanJson}, then the value. Never throws. */
export function parseJson(text: string, limits: ScanLimits): Result<JsonValue, ScanError> {
  const scanned = scanJson(text, limits);
  return scanned.ok ? ok(JSON.parse(text) as JsonValue) : scanned;
}

/** A place in a JSON value, as in `data.items[3]["odd key"]`, cut where it is very long. */
export function pathText(segments: readonly (string | number)[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (segment.length > PATH_CHARS_MAX) path += `[${JSON.stringify(segment.slice(0, PATH_CHARS_MAX))}…]`;
    else if (IDENTIFIER.test(segment)) path += path === '' ? segment : `.${segment}`;
    else path += `[${JSON.stringify(segment)}]`;
    if (path.length > PATH_CHARS_MAX) return `${path.slice(0, PATH_CHARS_MAX)}…`;
  }
  return path;
}

class Scanner {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #open: Container[] = [];
  #at = 0;
  #expected: Expected = 'value';
  #error: ScanError | null = null;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  run(): Result<null, ScanError> {
    while (this.#error === null) {
      this.#skipSpace();
      if (this.#at >= this.#text.length) {
        if (this.#expected !== 'nothing') this.#unexpected();
        break;
      }
      this.#step(this.#text.charCodeAt(this.#at));
    }
    return this.#error === null ? ok(null) : err(this.#error);
  }

  /** Reads one token that starts with `unit`. */
  #step(unit: number): void {
    switch (this.#expected) {
      case 'nothing':
        return this.#unexpected();
      case 'value or end':
        if (unit === BRACKET_CLOSE) return this.#close();
        return this.#value(unit);
      case 'value':
        return this.#value(unit);
      case 'key or end':
        if (unit === BRACE_CLOSE) return this.#close();
        return this.#key(unit);
      case 'key':
        return this.#key(unit);
      case 'comma or end':
        return this.#commaOrEnd(unit);
    }
  }

  #value(unit: number): void {
    if (unit === BRACE_OPEN || unit === BRACKET_OPEN) return this.#openContainer(unit === BRACE_OPEN);
    if (unit === QUOTE) {
      if (this.#string() === null) return;
    } else if (unit === MINUS || (unit >= DIGIT_0 && unit <= DIGIT_9)) {
      if (!this.#number()) return;
    } else if (!this.#word('true') && !this.#word('false') && !this.#word('null')) {
      return this.#unexpected();
    }
    this.#afterValue();
  }

  #openContainer(isObject: boolean): void {
    if (this.#open.length >= this.#depthMax) return this.#refuse(`nested deeper than ${this.#depthMax}`);
    this.#at++;
    this.#open.push(isObject ? { keys: new Set(), at: '' } : { keys: null, at: 0 });
    this.#expected = isObject ? 'key or end' : 'value or end';
  }

  #close(): void {
    this.#at++;
    this.#open.pop();
    this.#afterValue();
  }

  #afterValue(): void {
    this.#expected = this.#open.length === 0 ? 'nothing' : 'comma or end';
  }

  #commaOrEnd(unit: number): void {
    const container = this.#open.at(-1);
    if (!container) return this.#unexpected();
    const isObject = container.keys !== null;
    if (unit === (isObject ? BRACE_CLOSE : BRACKET_CLOSE)) return this.#close();
    if (unit !== COMMA) return this.#unexpected();
    this.#at++;
    if (typeof container.at === 'number') container.at++;
    this.#expected = isObject ? 'key' : 'value';
  }

  #key(unit: number): void {
    const container = this.#open.at(-1);
    if (unit !== QUOTE || !container?.keys) return this.#unexpected();
    const key = this.#string();
    if (key === null) return;
    container.at = key;
    this.#expected = 'value';
    // JSON.parse makes it an own property; the first copy or merge of the object loses it or takes it for a prototype.
    if (key === '__proto__') return this.#refuse('the key __proto__ is not allowed');
    if (container.keys.has(key)) return this.#refuse('the key is in the object twice');
    container.keys.add(key);
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== COLON) return this.#unexpected(':');
    this.#at++;
  }

  /** Reads a string; null after an error. */
  #string(): string | null {
    const text = this.#text;
    const start = this.#at;
    let escaped = false;
    let high = false;
    let at = start + 1;
    for (;;) {
      let unit = text.charCodeAt(at);
      if (Number.isNaN(unit)) return this.#refuseString(at, 'the string does not end');
      if (unit === QUOTE) break;
      if (unit < SPACE) return this.#refuseString(at, 'a control character in a string must be escaped');
      if (unit === BACKSLASH) {
        escaped = true;
        const code = this.#escape(at);
        if (code === null) return this.#refuseString(at, 'not an escape');
        ({ unit, end: at } = code);
      } else {
        at++;
      }
      // A pair may be written raw, escaped or half and half: what counts is the order of units.
      const low = unit >= 0xdc00 && unit <= 0xdfff;
      if (high !== low) return this.#refuseString(at, 'a lone surrogate');
      high = unit >= 0xd800 && unit <= 0xdbff;
    }
    if (high) return this.#refuseString(at, 'a lone surrogate');
    this.#at = at + 1;
    return escaped ? (JSON.parse(text.slice(start, at + 1)) as string) : text.slice(start + 1, at);
  }

  /** The escape at `at`: its code unit (0 for the short ones, none of which is a surrogate) and where it ends. */
  #escape(at: number): { unit: number; end: number } | null {
    const kind = this.#text.charCodeAt(at + 1);
    if (kind === LOWER_U) {
      HEX4.lastIndex = at + 2;
      const hex = HEX4.exec(this.#text);
      return hex ? { unit: Number.parseInt(hex[0], 16), end: at + 6 } : null;
    }
    return !Number.isNaN(kind) && '"\\/bfnrt'.includes(String.fromCharCode(kind)) ? { unit: 0, end: at + 2 } : null;
  }

  #number(): boolean {
    NUMBER.lastIndex = this.#at;
    const number = NUMBER.exec(this.#text)?.[0];
    if (number === undefined) {
      this.#unexpected();
      return false;
    }
    if (!isExact(number)) {
      this.#refuse('the number cannot be kept exactly: send it as a string');
      return false;
    }
    this.#at += number.length;
    return true;
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #skipSpace(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== SPACE && unit !== LINE_FEED && unit !== CARRIAGE_RETURN && unit !== TAB) return;
    }
  }

  #unexpected(expected: string = this.#expected): void {
    const place = this.#at >= this.#text.length ? 'the text ends' : `wrong at character ${this.#at + 1}`;
    this.#refuse(`not JSON: ${place}, expected ${expected}`);
  }

  #refuseString(at: number, message: string): null {
    this.#refuse(`not allowed at character ${at + 1}: ${message}`);
    return null;
  }

  #refuse(message: string): void {
    const segments = this.#open.map((container) => container.at);
    // Where a key is expected, `at` is still the one before it, or none.
    if (this.#expected === 'key' || this.#expected === 'key or end') segments.pop();
    this.#error = { path: pathText(segments), message };
  }
}

/** Whether a JSON number is the same decimal value that its double prints as. */
function isExact(number: string): boolean {
  if (number.length <= SAFE_INTEGER_CHARS && /^-?[0-9]+$/.test(number)) return true;
  const written = decimal(number);
  if (written.digits.length > SIGNIFICANT_DIGITS_MAX) return false;
  const value = Number(number);
  if (!Number.isFinite(value)) return false;
  const kept = decimal(String(value));
  return written.digits === kept.digits && (written.digits === '' || written.exponent === kept.exponent);
}

/** Value = 0.digits * 10^exponent, digits without zeros at either end; '' is zero. The sign is the same on both sides. */
function decimal(number: string): { readonly digits: string; readonly exponent: number } {
  const unsigned = number.startsWith('-') ? number.slice(1) : number;
  const [mantissa = '', power = '0'] = unsigned.split(/[eE]/);
  const point = mantissa.indexOf('.');
  const whole = point < 0 ? mantissa : mantissa.slice(0, point);
  const digits = point < 0 ? mantissa : whole + mantissa.slice(point + 1);
  // Loops, since /0+$/ takes quadratic time on many zeros before another digit.
  let first = 0;
  while (digits.charCodeAt(first) === DIGIT_0) first++;
  let end = digits.length;
  while (end > first && digits.charCodeAt(end - 1) === DIGIT_0) end--;
  return { digits: digits.slice(first, end), exponent: whole.length - first + Number(power) };
}
