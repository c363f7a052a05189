/** One connection to the SQLite file, with its statements kept. Lives in a worker. @module */
import { backup, DatabaseSync, type StatementSync } from "node:sqlite";
import type { SqlRow, SqlValue } from "./columns.ts";

/** How long a statement waits for another program's lock, milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/** A connection. Every method blocks its thread until SQLite has answered. */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** @param path The file, or `:memory:`. @throws when SQLite cannot open it. */
  constructor(readonly path: string) {
    this.#connection = new DatabaseSync(path);
    try {
      this.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  /** Runs statements that are run once, without values. */
  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  /** All rows. Integers come as `bigint`: one that is too large for a number must not break the list. */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.#statement(sql).all(...values) as SqlRow[];
  }

  /** All rows, one at a time. */
  each(sql: string, ...values: SqlValue[]): Iterable<SqlRow> {
    return this.#statement(sql).iterate(...values) as Iterable<SqlRow>;
  }

  /** The first row. */
  get(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.#statement(sql).get(...values) as SqlRow | undefined;
  }

  /** Runs one statement. */
  run(sql: string, ...values: SqlValue[]): { changes: number; lastId: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return { changes: Number(changes), lastId: Number(lastInsertRowid) };
  }

  /**
   * Runs `work` in one transaction: all of it or nothing.
   *
   * @param kind `write` takes the write lock at once, so that the wait for it stands at the beginning and cannot
   * fail half-way; `read` sees one state of the database throughout.
   */
  transaction<T>(kind: "read" | "write", work: () => T): T {
    this.exec(kind === "write" ? "BEGIN IMMEDIATE" : "BEGIN");
    try {
      const result = work();
      this.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite has already rolled back by itself after some errors (a full disk, for one).
      if (this.#connection.isTransaction) this.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Copies the database as it is now, including what is in its write-ahead log, over the file at `path`.
   *
   * Not VACUUM INTO: the runtime refuses that (and VACUUM, and ATTACH) to a program that does not have all
   * permissions.
   */
  async copyTo(path: string): Promise<void> {
    await backup(this.#connection, path);
  }

  /** Closes the connection. */
  close(): void {
    this.#statements.clear();
    this.#connection.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      statement.setReadBigInts(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
