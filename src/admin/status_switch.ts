/** The body that switches a row on or off. @module */
import { z } from "@hono/zod-openapi";
import { Fault } from "./envelope.ts";
import { fieldNames, type Fields, validFields } from "./body.ts";
import { must } from "./fields.ts";

const flag = z.boolean(must("true or false")).optional();

/** `{"status": bool}` as llmio names it, or `{"enabled": bool}`. */
export const switchSchema = z.strictObject({ status: flag, enabled: flag }).openapi("Switch");

/** The members of {@linkcode switchSchema}. */
export const switchNames = fieldNames(switchSchema);

/** Which way the switch is to go; `null` when the body does not say. @throws {Fault} when it says both. */
export function wantedState(fields: Fields): boolean | null {
  const { status, enabled } = validFields(switchSchema, fields);
  if (status !== undefined && enabled !== undefined && status !== enabled) {
    throw new Fault(400, "Invalid request body: status and enabled contradict each other; send one of them");
  }
  return status ?? enabled ?? null;
}
