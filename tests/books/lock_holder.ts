/**
 * Another program that locks a database file: `lock_holder.ts FILE MILLISECONDS`. Says when it has the lock, and ends
 * when it has given it back.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

const [file = "", forMs = ""] = Deno.args;
const database = new DatabaseSync(file, { timeout: 10_000 });
database.exec("BEGIN EXCLUSIVE");
await Deno.stdout.write(new TextEncoder().encode("locked\n"));
await new Promise((resolve) => setTimeout(resolve, Number(forMs)));
database.exec("ROLLBACK");
database.close();
