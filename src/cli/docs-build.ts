// The API's reference: Swagger UI and our own page around it, which a deployment serves beside the live page, without its Worker. No other host is
// asked for anything, and nothing is evaluated: docs/decisions/0029-api-reference.md.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PROJECT_DIR } from './wrangler-config.ts';

/** Where it is served, below the folder of assets. */
const FOLDER = 'api/v1/docs';
const OWN = ['index.html', 'start.js'];
const LIBRARY = ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'];

/** The files, by path below the folder of assets. */
export function docsFiles(projectDir: string = PROJECT_DIR): Map<string, Uint8Array> {
  const library = dirname(createRequire(join(projectDir, 'package.json')).resolve('swagger-ui-dist/package.json'));
  const read = (folder: string) => (name: string) => [`${FOLDER}/${name}`, readFileSync(join(folder, name))] as const;
  return new Map([...OWN.map(read(join(projectDir, 'api-docs'))), ...LIBRARY.map(read(library))]);
}

/** The headers that go with them, for the `_headers` of the folder of assets. */
export function docsHeaders(projectDir: string = PROJECT_DIR): string {
  return readFileSync(join(projectDir, 'api-docs', '_headers'), 'utf8');
}
