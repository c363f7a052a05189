/**
 * The fork's settings of "smart routing". They steer nothing there and nothing here: models have strategies, which do
 * what these promise. The routes answer the fork's clients, and do not pretend to store what would have no effect.
 *
 * @module
 */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { fieldNames, readFields, validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { must } from "./fields.ts";
import { route } from "./route.ts";

const tag = "settings";

/** What the fork always answers. */
const CONSTANTS = {
  enable_smart_routing: true,
  success_rate_weight: 0.7,
  response_time_weight: 0.3,
  decay_threshold_hours: 24,
  min_weight: 1,
} as const;

const number = (name: keyof typeof CONSTANTS) =>
  z.number(must("a number")).openapi({ example: CONSTANTS[name] });

const smartRouting = z.strictObject({
  enable_smart_routing: z.boolean(must("true or false")),
  success_rate_weight: number("success_rate_weight"),
  response_time_weight: number("response_time_weight"),
  decay_threshold_hours: number("decay_threshold_hours"),
  min_weight: number("min_weight"),
}).openapi("SmartRouting");
const update = smartRouting.partial().openapi("SmartRoutingUpdate");
const names = fieldNames(update);

/** Registers the routes. They go before those of `/config/:key`. */
export function smartRoutingRoutes(app: OpenAPIHono, _context: AdminContext): void {
  route(app, {
    method: "get",
    path: "/config",
    tag,
    summary: "The fork's smart-routing constants; nothing is routed by them",
    data: smartRouting,
  }, (c) => success(c, CONSTANTS));

  route(app, {
    method: "put",
    path: "/config",
    tag,
    summary: "Accepts the constants as they are and refuses any other value",
    reads: true,
    body: update,
    data: smartRouting,
    faults: [422],
  }, async (c) => {
    const sent = validFields(update, await readFields(c, names));
    for (const [name, value] of Object.entries(sent)) {
      const constant = CONSTANTS[name as keyof typeof CONSTANTS];
      if (value === constant) continue;
      throw new Fault(
        422,
        `${name} is fixed at ${constant} and steers nothing; set a model's strategy with PUT /api/models/:id instead`,
      );
    }
    return success(c, CONSTANTS);
  });
}
