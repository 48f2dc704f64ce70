// Holds what an API answers against its own OpenAPI document. Every answer that a test gets comes through this: tests of the API have it in fakes.ts,
// tests in workerd in `serve` of test/worker/support.ts, and `fetch` in Node.js in watch-fetch.ts. What is large is loaded with the first answer.
import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020.js';

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

/** Documented once for all routes, not at each: they can come of any. */
const ANYWHERE = [404, 405, 500];

class Answers {
  readonly #operations: readonly { readonly method: string; readonly path: RegExp; readonly operation: Operation }[];
  readonly #ajv: Ajv2020;
  readonly #validators = new Map<object, ValidateFunction>();
  readonly #problem: object | undefined;

  constructor(ajv: Ajv2020, { paths, components }: Document) {
    this.#ajv = ajv;
    // The document's references are to its own parts.
    this.#ajv.addSchema({ $id: 'document', components });
    this.#problem = components.schemas['Problem'];
    this.#operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
        operation,
      })),
    );
  }

  /** What is wrong with an answer; null: nothing. `path`: after `/api/v1`. */
  fault(method: string, path: string, answer: Answer): string | null {
    const { status, type } = answer;
    const asked = method === 'HEAD' ? 'GET' : method;
    const found = this.#operations.find((one) => one.method === asked && one.path.test(path))?.operation;
    const documented = found?.responses[String(status)];
    if (!documented) {
      const isGeneral = ANYWHERE.includes(status) && type === 'application/problem+json';
      if (!isGeneral || !this.#problem) return 'it is not in the document';
      return method === 'HEAD' ? null : this.#mismatch(this.#problem, answer);
    }
    if (!documented.content) return null;
    const content = documented.content[type];
    if (!content) return `${type} is not in the document`;
    return method === 'HEAD' ? null : this.#mismatch(content.schema, answer);
  }

  #mismatch(schema: object, { body }: Answer): string | null {
    if (body === null) return null;
    let validate = this.#validators.get(schema);
    if (!validate) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
      this.#validators.set(schema, (validate = this.#ajv.compile(JSON.parse(text) as object)));
    }
    const start = body.slice(0, 500);
    try {
      return validate(JSON.parse(body)) ? null : `${this.#ajv.errorsText(validate.errors)}: ${start}`;
    } catch {
      return `it is no JSON: ${start}`;
    }
  }
}

interface Answer {
  readonly status: number;
  /** Media type, without parameters. */
  readonly type: string;
  /** Null: it is no JSON, or did not come whole. */
  readonly body: string | null;
}

let known: Promise<readonly Answers[]> | null = null;

/** Of the boot node's routes and of a node's: they are the same everywhere. */
async function documents(): Promise<readonly Answers[]> {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  // oxlint-disable-next-line no-restricted-imports -- it has the document
  const { createApp } = await import('../../src/api/app.ts');
  const nobody = new Proxy({}, { get: () => () => Promise.reject(new Error('nobody is asked for a document')) });
  const app = createApp({
    gateways: { boot: nobody as never, node: () => nobody as never, beacon: nobody as never },
    config: {
      adminToken: null,
      joinToken: null,
      clientAddressHeader: null,
      nodeCount: 1,
      protocol: { network: 'any', messageTtlMs: 1 },
    },
    log: () => undefined,
  });
  const read = async (base: string) => {
    const document = (await (await app.fetch(new Request(`http://any${base}/openapi.json`))).json()) as unknown;
    const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    return new Answers(ajv, document as Document);
  };
  return await Promise.all(['/api/v1', '/n/1/api/v1'].map(read));
}

/** Throws where an answer of an API is not as its document says. Takes what `fetch` was given and gave; the response can still be read. */
export async function checkAnswer(
  input: string | URL | Request,
  init: { readonly method?: string | undefined } | undefined,
  response: Response,
): Promise<void> {
  const request = input instanceof Request ? input : { method: 'GET', url: String(input) };
  const method = (init?.method ?? request.method).toUpperCase();
  // As the application saw it: `a/../b` is `b`, however its dots are written.
  const path = /\/api\/v1(\/.*)/.exec(new URL(request.url, 'http://any').pathname)?.[1];
  // What stands in front of an API is not its own, nor are the files of its reference.
  if (path === undefined || path.startsWith('/docs/')) return;
  const { status } = response;
  // A browser's question, which no caller of an API asks: the same everywhere.
  if (method === 'OPTIONS' && status === 204) return;
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  // Before anything is awaited: whoever asked reads it next, and may cut it off.
  const reading = type.endsWith('json') ? response.clone().text() : null;
  const body = (await reading?.catch(() => null)) ?? null;
  known ??= documents();
  const faults = (await known).map((answers) => answers.fault(method, path, { status, type, body }));
  if (faults.every((fault) => fault !== null)) {
    throw new Error(`${method} ${request.url} answered ${status}: ${[...new Set(faults)].join('; or ')}`);
  }
}
