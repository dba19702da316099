import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type InferResult,
} from 'kysely';
import type { Tables } from './schema.ts';

/** Kysely writes and types the SQL; `node:sqlite` runs it where it is asked, without promises in between. */
export const sql = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** All rows of a query. */
export function rowsOf<Q extends Compilable>(database: DatabaseSync, query: Q): InferResult<Q> {
  const { sql: text, parameters } = query.compile();
  return database.prepare(text).all(...(parameters as SQLInputValue[])) as InferResult<Q>;
}
