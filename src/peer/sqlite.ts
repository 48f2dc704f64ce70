// SQLite of Node.js. Not by an import: where there is none, that would end an application with an error that does not say what is needed.
import type { DatabaseSync } from 'node:sqlite';

/** Opens a database file (`:memory:` for none). Throws where this Node.js has no SQLite. */
export function openDatabase(path: string): DatabaseSync {
  // Node.js 20.15 and older have no such function either.
  const sqlite = process.getBuiltinModule?.('node:sqlite');
  if (sqlite) return new sqlite.DatabaseSync(path);
  throw new Error(
    `a node needs Node.js 24 (22.13 at least), which has node:sqlite: this is ${process.versions.node}; the client runs on 20 too`,
  );
}
