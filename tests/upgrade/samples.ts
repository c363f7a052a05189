/** Files of the old programs for the tests of an upgrade: of every release, of the fork, and of both. @module */
import { makeLegacyFiles, sql } from "../store/fixtures.ts";
import { type Cells, NULL } from "./cells.ts";
import { isKnown, makeOlderFiles, RELEASES } from "./older_files.ts";

/** A file of an old program. */
export interface Sample {
  /** Who wrote it, for the names of tests. */
  readonly name: string;
  readonly path: string;
  /** How it is told who wrote it. */
  readonly recognised: string;
  /** Whether its program takes a capability that was never set in this row as a yes. */
  readonly takesUnsetAsYes: (association: Cells) => boolean;
}

const yes = () => true;
const no = () => false;
/** Rows of the fork in a file of both lack what llmio fills at its start. */
const ifOfFork = (association: Cells) =>
  association["status"] === NULL && association["customer_headers"] === NULL;

/** Makes all samples in a folder. Their providers are on this machine, where nobody listens. */
export async function makeSamples(folder: string): Promise<Sample[]> {
  const { upstream, ma } = await makeLegacyFiles(folder);
  const older = [...makeOlderFiles(folder, upstream)].map(([release, path]) => ({
    name: `llmio ${release}`,
    path,
    recognised: recognisedAs(release),
    // Files from before v0.4.13 cannot be told from those of the fork.
    takesUnsetAsYes: isKnown("v0.4.13", release) ? no : yes,
  }));
  const [both, scripted] = [`${folder}/both.db`, `${folder}/scripted.db`];
  await Deno.copyFile(upstream, both);
  addForkTables(both, ma);
  await Deno.copyFile(ma, scripted);
  remakeForkTables(scripted);
  const samples: Sample[] = [
    ...older,
    {
      name: "the latest llmio",
      path: upstream,
      recognised: "written by llmio, v0.8.7 or later",
      takesUnsetAsYes: no,
    },
    { name: "llmio enhanced", path: ma, recognised: "written by llmio enhanced", takesUnsetAsYes: yes },
    {
      name: "llmio, then llmio enhanced",
      path: both,
      recognised: "written by both llmio (v0.8.7 or later) and llmio enhanced",
      takesUnsetAsYes: ifOfFork,
    },
    {
      name: "llmio enhanced with its tables made by a script",
      path: scripted,
      recognised: "written by llmio enhanced",
      takesUnsetAsYes: yes,
    },
  ];
  for (const { path } of samples) keepWithin(path);
  return samples;
}

function recognisedAs(release: string): string {
  const next = RELEASES[RELEASES.indexOf(release) + 1];
  if (release === RELEASES[0]) return `written by an early llmio (before ${next})`;
  const range = next === undefined ? `${release} or later` : `from ${release} until before ${next}`;
  return isKnown("v0.4.13", release) ? `written by llmio, ${range}` : `written by an early llmio (${range})`;
}

const FORK_TABLES = ["provider_validations", "provider_usage_stats", "health_check_configs"];

/** What the fork does to a file of llmio at its start. */
function addForkTables(path: string, ma: string): void {
  const tables = sql(ma, (database) =>
    FORK_TABLES.map((table) => ({
      table,
      ddl: database.prepare("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL").all(table)
        .map(({ sql }) => String(sql)),
      rows: database.prepare(`SELECT * FROM ${table}`).all(),
    })));
  sql(path, (database) => {
    for (const { table, ddl, rows } of tables) {
      for (const statement of ddl) database.exec(statement);
      for (const row of rows) {
        const names = Object.keys(row);
        database.prepare(
          `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
        )
          .run(...names.map((name) => row[name] ?? null));
      }
    }
  });
}

/** The spellings of the fork's optional script, with constraints in the columns instead of indexes. */
function remakeForkTables(path: string): void {
  sql(path, (database) => {
    for (const table of FORK_TABLES) {
      const columns = database.prepare("SELECT name, type FROM pragma_table_info(?)").all(table);
      const texts = columns.map(({ name, type }) => {
        if (name === "id") return "id INTEGER PRIMARY KEY AUTOINCREMENT";
        if (name === "is_healthy" || name === "enabled") return `${name} BOOLEAN NOT NULL DEFAULT 1`;
        if (name === "provider_id" && table === "provider_validations") {
          return "provider_id INTEGER NOT NULL UNIQUE";
        }
        return `${name} ${String(type).toUpperCase()}`;
      });
      const unique = table === "provider_usage_stats" ? ", UNIQUE(provider_id, date)" : "";
      database.exec(`
        ALTER TABLE ${table} RENAME TO former;
        CREATE TABLE ${table} (${texts.join(", ")}${unique});
        INSERT INTO ${table} SELECT * FROM former;
        DROP TABLE former;
      `);
    }
  });
}

/** Tests ask nobody outside: providers are on a port where nothing listens, and probes are off where they can be. */
function keepWithin(path: string): void {
  sql(path, (database) => {
    database.exec(
      "UPDATE providers SET config = replace(config, 'https://', 'http://127.0.0.1:2/') WHERE typeof(config) = 'text'",
    );
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'health_check_configs'").get();
    if (table !== undefined) database.exec("UPDATE health_check_configs SET enabled = 0");
  });
}
