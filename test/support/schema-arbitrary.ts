// Values that fit a JSON Schema, as far as the API's own document uses it, and values that nearly do.
import fc from 'fast-check';

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

type Schemas = Readonly<Record<string, JsonSchema>>;

/** Lists of the API may be long; here they are short, and as long as they may be now and then. */
const ITEMS_MAX = 4;

/** Values that the schema lets pass. Named shapes are looked up in `schemas`. */
export function arbitraryOf(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return arbitraryOf(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, schemas);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((option) => arbitraryOf(option, schemas)));
  switch (schema.type) {
    case 'object':
      return objectOf(schema, schemas);
    case 'array':
      return arrayOf(schema, schemas);
    case 'string':
      return stringOf(schema);
    case 'integer':
      return fc.integer({ min: Math.ceil(schema.minimum ?? 0), max: Math.floor(schema.maximum ?? 2 ** 31) });
    case 'number':
      return fc.double({
        min: schema.minimum ?? schema.exclusiveMinimum ?? -1e9,
        max: schema.maximum ?? 1e9,
        noNaN: true,
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

/** The same with something wrong in it, most of the time. */
export function mutated(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(arbitrary, fc.option(fc.tuple(fc.nat(), odd), { freq: 3 }))
    .map(([value, change]) => (change === null ? value : replaced(value, change[0], change[1])));
}

/** Values that one could think of for a field. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    null,
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    '0',
    'x'.repeat(300),
    [],
    {},
    [[2, 1]],
    '../',
    '%00',
  ),
);

/** Replaces the part that `place` leads to. */
function replaced(value: unknown, place: number, by: unknown): unknown {
  if (typeof value !== 'object' || value === null) return by;
  const keys = Object.keys(value);
  const key = keys[place % (keys.length + 1)];
  if (key === undefined) return by;
  const inner = replaced((value as Record<string, unknown>)[key], Math.floor(place / (keys.length + 1)), by);
  return Array.isArray(value)
    ? value.map((item, index) => (String(index) === key ? inner : (item as unknown)))
    : { ...value, [key]: inner };
}

function objectOf({ properties, required = [] }: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  if (!properties) return fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));
  const model = Object.fromEntries(
    Object.entries(properties).map(([key, inner]) => [key, arbitraryOf(inner, schemas)]),
  );
  return fc.record(model, { requiredKeys: [...required] });
}

function arrayOf({ items, prefixItems, minItems = 0, maxItems = ITEMS_MAX }: JsonSchema, schemas: Schemas) {
  if (prefixItems) return fc.tuple(...prefixItems.map((item) => arbitraryOf(item, schemas)));
  const maxLength = Math.min(maxItems, Math.max(ITEMS_MAX, minItems));
  return fc.array(arbitraryOf(items ?? {}, schemas), { minLength: minItems, maxLength });
}

function stringOf({ pattern, minLength = 0, maxLength = Infinity }: JsonSchema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40) });
  return fc.stringMatching(new RegExp(pattern)).map((text) => text.slice(0, maxLength));
}
