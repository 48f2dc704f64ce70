// Holds what a network answers against its own OpenAPI document. The tests of the API put every answer through this, and so do networks that tests start.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { createApp } from '../src/api/app.ts';

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
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  readonly #validators = new Map<object, ValidateFunction>();
  readonly #problem: object | undefined;

  constructor({ paths, components }: Document) {
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
    return type.endsWith('json') && method !== 'HEAD' ? this.#mismatch(content.schema, answer) : null;
  }

  #mismatch(schema: object, { body }: Answer): string | null {
    let validate = this.#validators.get(schema);
    if (!validate) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
      this.#validators.set(schema, (validate = this.#ajv.compile(JSON.parse(text) as object)));
    }
    if (validate(JSON.parse(body))) return null;
    return `${this.#ajv.errorsText(validate.errors)}: ${body.slice(0, 500)}`;
  }
}

interface Answer {
  readonly status: number;
  /** Media type, without parameters. */
  readonly type: string;
  readonly body: string;
}

let known: Promise<readonly Answers[]> | null = null;

/** Of the boot node's routes and of a node's: they are the same everywhere. */
async function documents(): Promise<readonly Answers[]> {
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
    return new Answers(document as Document);
  };
  return await Promise.all(['/api/v1', '/n/1/api/v1'].map(read));
}

/** Throws where an answer of the API is not as its document says. `url`: of the request. The response can still be read. */
export async function checkAnswer(method: string, url: string, response: Response): Promise<void> {
  // As the application saw it: `a/../b` is `b`, however its dots are written.
  const path = /\/api\/v1(\/.*)/.exec(new URL(url, 'http://any').pathname)?.[1];
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  // What stands in front of an API is not its own; a stream does not end.
  if (path === undefined || type === 'text/event-stream' || response.status === 101) return;
  known ??= documents();
  const answer = { status: response.status, type, body: await response.clone().text() };
  const faults = (await known).map((answers) => answers.fault(method, path, answer));
  if (faults.every((fault) => fault !== null)) {
    throw new Error(`${method} ${url} answered ${answer.status}: ${[...new Set(faults)].join('; or ')}`);
  }
}
