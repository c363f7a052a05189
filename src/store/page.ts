/** Paging of lists, as the admin API speaks it. @module */

/** Which page of a list is wanted. */
export interface PageRequest {
  /** 1 is the first page. */
  page: number;
  /** Rows on a page, 1 to 100. */
  pageSize: number;
}

/** One page of a list. A page past the end is empty and still says the real total. */
export interface Page<Row> {
  rows: Row[];
  /** Rows on all pages together. */
  total: number;
}

/** How many rows stand before the page. */
export function offsetOf({ page, pageSize }: PageRequest): number {
  return Math.max(0, page - 1) * pageSize;
}
