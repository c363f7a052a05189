/** Query parameters and path parameters of the admin API. @module */
import type { Context } from "@hono/hono";
import { z } from "@hono/zod-openapi";
import type { Page, PageRequest } from "../store/page.ts";
import { Fault } from "./envelope.ts";

/** Largest id that a path or query can name. */
const ID = /^\d{1,15}$/;

/** An optional text parameter; empty is the same as absent. */
export function textQuery(description: string) {
  return z.string().optional().transform((text) => text === "" ? undefined : text).openapi({ description });
}

/** An optional id parameter; empty is the same as absent. */
export function idQuery(message: string, description: string) {
  return textQuery(description).refine((text) => text === undefined || ID.test(text), message)
    .transform((text) => text === undefined ? undefined : Number(text))
    .openapi({ type: "integer" });
}

/** A required id parameter. */
export function requiredIdQuery(missing: string, malformed: string, description: string) {
  return z.string(missing).min(1, missing).regex(ID, malformed).transform(Number).openapi({
    type: "integer",
    description,
  });
}

/** `page` and `page_size`, as every paged list takes them. */
export const pagingQuery = {
  page: pagingNumber(1, Number.MAX_SAFE_INTEGER, 1, "invalid page parameter"),
  page_size: pagingNumber(1, 100, 20, "invalid page_size parameter (1-100)"),
};

/** The page that validated parameters ask for. */
export function pageRequest(query: { readonly page: number; readonly page_size: number }): PageRequest {
  return { page: query.page, pageSize: query.page_size };
}

/** A page as llmio's clients read it. */
export function pageData<Row>(page: Page<Row>, request: PageRequest, show: (row: Row) => unknown): unknown {
  return {
    data: page.rows.map(show),
    total: page.total,
    page: request.page,
    page_size: request.pageSize,
    pages: Math.ceil(page.total / request.pageSize),
  };
}

/** Schema of {@linkcode pageData}. */
export function pageSchema(row: z.ZodType): z.ZodType {
  return z.object({ data: z.array(row), total: z.int(), page: z.int(), page_size: z.int(), pages: z.int() });
}

/** Validates the parameters that a schema names; others are ignored, and of a repeated one the first counts. */
export function validQuery<Schema extends z.ZodObject>(c: Context, schema: Schema): z.output<Schema> {
  const sent = Object.keys(schema.shape).map((name) => [name, c.req.query(name)] as const);
  const result = schema.safeParse(Object.fromEntries(sent.filter(([, value]) => value !== undefined)));
  if (result.success) return result.data;
  throw new Fault(400, result.error.issues[0]?.message ?? "invalid query");
}

/** The `:id` of the path. */
export function pathId(c: Context): number {
  const text = c.req.param("id") ?? "";
  if (!ID.test(text)) throw new Fault(400, "Invalid ID format");
  return Number(text);
}

function pagingNumber(min: number, max: number, fallback: number, message: string) {
  return z.string().regex(/^\d{1,12}$/, message).optional()
    .transform((text) => text === undefined ? fallback : Number(text))
    .refine((value) => value >= min && value <= max, message)
    .openapi({ type: "integer", minimum: min, maximum: max, default: fallback });
}
