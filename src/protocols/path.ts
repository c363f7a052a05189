/** Paths of upstream calls. @module */

/** A path with a query; `""` adds none. */
export function withQuery(path: string, query: string): string {
  return query === "" ? path : `${path}?${query}`;
}
