// The document is what is served: as OpenAPI 3.1 wants it, and with every route.
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/protocol/types.ts';
import { checkAnswer } from '../support/answers.ts';
import { BOOT, NODE, setUp } from './fakes.ts';

const PROBLEM = { 'Content-Type': 'application/problem+json' };

interface Operation {
  readonly summary: string;
  readonly security?: JsonValue;
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: JsonObject }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema: JsonObject }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: JsonObject }> }>;
}

interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly servers: JsonValue;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, JsonObject>; securitySchemes: JsonObject };
}

const OPERATOR_CALLS = [
  'POST /messages',
  'POST /messages/batch',
  'PUT /broadcast',
  'POST /network/leave',
  'POST /network/return',
  'GET /boot/backup',
  'PUT /boot/backup',
  'GET /boot/allocations',
  'PUT /boot/allocations',
  'PUT /boot/floor',
  'GET /logs',
];

describe.each([
  { base: NODE, routed: '/n/:slot/api/v1', signed: ['POST /sync', 'POST /deliveries'] },
  { base: BOOT, routed: '/api/v1', signed: ['POST /sync', 'PUT /network/join', 'POST /beacon/receipts'] },
])('the document at $base', ({ base, routed, signed }) => {
  const { app } = setUp();
  const read = async () => {
    const response = await app.request(`${base}/openapi.json`);
    expect(response.status).toBe(200);
    return (await response.json()) as unknown as Document;
  };
  const operationsOf = (document: Document) =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
    );

  test('is of OpenAPI 3.1, and of this place', async () => {
    expect(await read()).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/),
      info: { title: 'pychain', version: expect.any(String) },
      servers: [{ url: base }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    });
  });

  test('has every route, and no other', async () => {
    const routes = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path.startsWith(`${routed}/`))
      .map(({ method, path }) => `${method} ${path.slice(routed.length).replace(/:(\w+)/g, '{$1}')}`);
    const described = operationsOf(await read()).map(({ name }) => name);
    expect(described.toSorted()).toEqual([...new Set(routes)].toSorted());
  });

  test('says what each route takes and answers', async () => {
    for (const { name, operation } of operationsOf(await read())) {
      expect(operation.summary).not.toBe('');
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(inPath.map((parameter) => `{${parameter.name}}`)).toEqual(name.match(/\{\w+\}/g) ?? []);
      expect(inPath.every(({ required }) => required)).toBe(true);
      expect(Object.keys(operation.responses).filter((status) => status.startsWith('2'))).toHaveLength(1);
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(description).not.toBe('');
        if (content === undefined) {
          // What becomes of the connection is no body.
          expect([name.replace('/beacon', ''), status]).toEqual(['GET /stream', '101']);
          continue;
        }
        expect(Object.keys(content)[0] === 'application/problem+json').toBe(!status.startsWith('2'));
      }
      // Who may be refused for a token or a signature is told of it.
      expect(operation.security !== undefined).toBe([...OPERATOR_CALLS, ...signed].includes(name));
      expect('401' in operation.responses).toBe([...OPERATOR_CALLS, ...signed].includes(name));
      expect(operation.requestBody !== undefined).toBe('415' in operation.responses);
    }
  });

  test('has only schemas that say something, and resolve', async () => {
    const document = await read();
    const { schemas } = document.components;
    const named = new Set<string>();
    const check = (schema: JsonObject) => {
      expect(schema).not.toEqual({});
      expect(schema).not.toHaveProperty('id');
      const { $ref, properties = {}, items, prefixItems = [], anyOf = [] } = schema;
      if (typeof $ref === 'string') {
        const name = $ref.replace('#/components/schemas/', '');
        const target = schemas[name];
        if (target === undefined) throw new Error(`${$ref} is nowhere`);
        if (named.has(name)) return;
        named.add(name);
        check(target);
      }
      const inner = [...Object.values(properties as JsonObject), ...(prefixItems as JsonValue[])];
      for (const one of [...inner, ...(anyOf as JsonValue[])]) check(one as JsonObject);
      if (typeof items === 'object') check(items as JsonObject);
    };
    for (const { operation } of operationsOf(document)) {
      const bodies = [...(operation.requestBody ? [operation.requestBody] : []), ...Object.values(operation.responses)];
      for (const { content } of bodies) for (const { schema } of Object.values(content ?? {})) check(schema);
      for (const { schema } of operation.parameters ?? []) check(schema);
    }
    expect([...named].toSorted()).toEqual(Object.keys(schemas).toSorted());
    // Every other way to refer would be lost on the checks above.
    expect(JSON.stringify(document)).not.toMatch(/\$defs|\$id|"\$ref":"(?!#\/components\/schemas\/)/);
  });
});

test('numbers in paths and queries, and what is passed on as it came', async () => {
  const document = (await (await setUp().app.request(`${NODE}/openapi.json`)).json()) as unknown as Document;
  expect(document.paths['/nodes/{guid}']?.['get']?.parameters).toEqual([
    { name: 'guid', in: 'path', required: true, schema: { type: 'integer', minimum: 1, maximum: 2_147_483_647 } },
  ]);
  expect(document.paths['/messages']?.['get']?.parameters?.[1]).toEqual({
    name: 'limit',
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
  });
  const { post } = document.paths['/messages'] ?? {};
  expect(post?.parameters?.[0]).toMatchObject({ name: 'idempotency-key', in: 'header', required: false });
  expect(Object.keys(post?.responses ?? {})).toEqual(['202', '400', '401', '403', '409', '413', '415', '422', '503']);
  expect(document.components.schemas['MessageRequest']).toMatchObject({
    properties: { data: { type: 'object', additionalProperties: true } },
    additionalProperties: false,
  });
});

test.each([
  ['a key that is missing', 'GET', '/members', Response.json({ members: [] }), /next/],
  ['a wrong kind', 'GET', '/members', Response.json({ members: 'all', next: null }), /array/],
  ['a status that is nowhere', 'GET', '/members', Response.json({}, { status: 418 }), /not in the document/],
  ['another media type', 'GET', '/metrics', Response.json('x'), /application\/json is not/],
  ['a problem that is none', 'GET', '/nowhere', new Response('{}', { status: 404, headers: PROBLEM }), /type/],
] as const)('an answer with %s is found to differ from the document', async (_name, method, path, response, fault) => {
  await expect(checkAnswer(`${NODE}${path}`, { method }, response)).rejects.toThrow(fault);
});
