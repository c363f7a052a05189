/** What every row begins with, in llmio's names and order. @module */
import { z } from "@hono/zod-openapi";

/** Id and times as llmio's clients read them. Soft-deleted rows are never shown, so `DeletedAt` is always null. */
export function rowHead(
  row: { readonly id: number; readonly createdAt: string; readonly updatedAt: string },
) {
  return { ID: row.id, CreatedAt: row.createdAt, UpdatedAt: row.updatedAt, DeletedAt: null };
}

/** Schema of {@linkcode rowHead}. */
export const rowHeadShape = {
  ID: z.int(),
  CreatedAt: z.iso.datetime({ offset: true }),
  UpdatedAt: z.iso.datetime({ offset: true }),
  DeletedAt: z.null(),
};
