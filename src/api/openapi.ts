// The OpenAPI 3.1 document, made of the routes as they are served.
import * as z from 'zod';
import type { JsonObject } from '../protocol/types.ts';
import type { ApiEnv } from './env.ts';
import { json } from './responses.ts';
import { defineRoute, serve, type Endpoint, type Route } from './route.ts';
import { openApi } from './schemas.ts';
import { VERSION } from './version.ts';

const getDocument = defineRoute({
  method: 'get',
  path: '/openapi.json',
  summary: 'This document',
  responses: { 200: json(openApi, 'OpenAPI 3.1') },
});

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN, of operators' },
  joinToken: { type: 'http', scheme: 'bearer', description: 'JOIN_TOKEN, where the network has one' },
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'Signature',
    description:
      'HTTP message signature (RFC 9421) with Content-Digest (RFC 9530) and Pychain-Certificate, see docs/protocol.md',
  },
} as const;

/** Where OpenAPI puts the parts of a request that are no body. */
const PLACES = { params: 'path', query: 'query', headers: 'header' } as const;

/** Answers with the document of these endpoints, and itself. */
export function documentEndpoint(endpoints: readonly { readonly route: Route }[]): Endpoint<ApiEnv> {
  let document: JsonObject | null = null;
  return serve(getDocument, async (c) => {
    // At the first request, since most isolates never see one.
    document ??= openApiDocument([...endpoints.map(({ route }) => route), getDocument]);
    const base = c.req.path.slice(0, -getDocument.path.length);
    return c.json({ openapi: '3.1.0', ...document, servers: [{ url: base }] }, 200);
  });
}

function openApiDocument(routes: readonly Route[]): JsonObject {
  const { shapeOf, shapes } = bodyShapes(routes);
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route, shapeOf);
  const document = {
    info: { title: 'pychain', version: VERSION },
    paths,
    components: { schemas: shapes, securitySchemes: SECURITY_SCHEMES },
  };
  // zod refers to where it keeps the shapes that have a name.
  return JSON.parse(JSON.stringify(document).replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonObject;
}

function operation(route: Route, shapeOf: (schema: z.ZodType) => object): object {
  const content = (type: string, schema: z.ZodType) => ({ [type]: { schema: shapeOf(schema) } });
  const responses = Object.entries(route.responses).map(([status, { description, type, schema }]) => [
    status,
    { description, content: content(type, schema) },
  ]);
  const parameters = parametersOf(route);
  return {
    summary: route.summary,
    ...securityOf(route),
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: true, content: content('application/json', route.body) } }),
    responses: {
      ...(route.upgrade !== undefined && { 101: { description: route.upgrade } }),
      ...(Object.fromEntries(responses) as object),
    },
  };
}

/** Who may call, as alternatives. */
function securityOf({ isOperatorCall, isJoinCall, signing }: Route): { security?: object[] } {
  const operator = isOperatorCall ? [{ bearer: [] }] : [];
  const anybody = signing === 'optional' ? [{}] : [];
  const signed = signing ? [{ signature: [], ...(isJoinCall && { joinToken: [] }) }] : [];
  const security = [...operator, ...anybody, ...signed];
  return security.length > 0 ? { security } : {};
}

/** Described as what is read from the text: a number, say. */
function parametersOf(route: Route): object[] {
  return Object.entries(PLACES).flatMap(([part, place]) => {
    const schema = route[part as keyof typeof PLACES];
    if (!schema) return [];
    const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'output' });
    return Object.entries(properties).map(([name, shape]) => ({
      name,
      in: place,
      required: required.includes(name),
      schema: shape,
    }));
  });
}

/** The shapes of bodies and answers as they are sent. In one go, so that each that has a name is described once. */
function bodyShapes(routes: readonly Route[]) {
  const answers = routes.flatMap(({ responses }) => Object.values(responses).map(({ schema }) => schema));
  const schemas = [...new Set([...routes.flatMap(({ body }) => body ?? []), ...answers])];
  const { properties = {}, $defs = {} } = z.toJSONSchema(z.object(Object.fromEntries(schemas.entries())), {
    io: 'input',
    // Checks that are written by hand say in their `meta` what they let pass.
    unrepresentable: 'any',
  });
  const shapeOf = (schema: z.ZodType) => properties[schemas.indexOf(schema)] as object;
  return { shapeOf, shapes: $defs };
}
