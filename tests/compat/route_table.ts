/** The route table of the page on the admin API, read from the page itself. @module */

/** A route of the two Go programs. */
export interface CompatRoute {
  /** `GET /api/models/:id`. */
  readonly route: string;
  /** Number of its line in the table. */
  readonly line: number;
}

const PAGE = new URL("../../../shared/compat/admin-api.md", import.meta.url);

/** All routes that the table names, in its order. A line may name several. */
export async function readRouteTable(): Promise<CompatRoute[]> {
  const page = await Deno.readTextFile(PAGE);
  return Array.from(page.matchAll(/^\| (\d+) \| ([^|]+) \|/gm)).flatMap(([, number, cell = ""]) => {
    const entries = Array.from(cell.matchAll(/((?:[A-Z]+(?: and |, )?)+) `(\/api\/[^`]+)`/g));
    return entries.flatMap(([, methods = "", path = ""]) =>
      Array.from(methods.matchAll(/[A-Z]+/g), ([method]) => ({
        route: `${method} ${path}`,
        line: Number(number),
      }))
    );
  });
}
