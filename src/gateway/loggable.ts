/** What of a client's words may stand in logs, traces and metrics. @module */
import { withoutSecrets } from "../access/scrub.ts";
import type { Inspection } from "../protocols/protocol.ts";
import type { RoutingTable } from "./routing_table.ts";

/** A model that does not exist is whatever the client has typed: a key in the wrong field, say. */
export function loggable(inspection: Inspection, table: RoutingTable): Inspection {
  const { model } = inspection;
  return table.model(model) === undefined ? { ...inspection, model: withoutSecrets(model) } : inspection;
}
