// The API's reference: Swagger UI and our own page around it, as files for `dist/dashboard/api/v1/docs`, which a deployment serves without its Worker. No
// other host is asked for anything, and nothing is evaluated: docs/decisions/0029-api-reference.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where it is served, below the folder of assets. */
const FOLDER = 'api/v1/docs';
const OWN = ['index.html', 'start.js'];
const LIBRARY = ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'];

/**
 * The files, by path below the folder of assets.
 * @param {string} [project]
 * @returns {Map<string, Uint8Array>}
 */
export function docsFiles(project = PROJECT) {
  const library = dirname(createRequire(join(project, 'package.json')).resolve('swagger-ui-dist/package.json'));
  const read = (/** @type {string} */ folder) => (/** @type {string} */ name) =>
    /** @type {const} */ ([`${FOLDER}/${name}`, readFileSync(join(folder, name))]);
  return new Map([...OWN.map(read(join(project, 'api-docs'))), ...LIBRARY.map(read(library))]);
}

/** The headers that go with them, for the `_headers` of the folder of assets: @returns {string} */
export function docsHeaders(project = PROJECT) {
  return readFileSync(join(project, 'api-docs', '_headers'), 'utf8');
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const [path, contents] of docsFiles()) {
    const file = join(PROJECT, 'dist', 'dashboard', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, contents);
  }
}
