/** The request that is to be explained: its properties, or the body that a client would send. @module */
import { z } from "@hono/zod-openapi";
import { inspectMessage } from "../protocols/anthropic/inspect.ts";
import { inspectGenerate } from "../protocols/gemini/inspect.ts";
import { inspectChat } from "../protocols/openai/inspect.ts";
import type { Inspection, Protocol } from "../protocols/protocol.ts";
import { PROVIDER_TYPES } from "../protocols/provider_config.ts";
import { inspectResponses } from "../protocols/responses/inspect.ts";
import { fieldNames } from "./body.ts";
import { Fault } from "./envelope.ts";
import { must } from "./fields.ts";

const wish = (description: string) => z.boolean(must("true or false")).optional().openapi({ description });

/** Body of `POST /api/explain`. */
export const explainBody = z.strictObject({
  model: z.string(must("a string")).trim().min(1, "must not be empty").optional().openapi({
    description: "Public model name. With `request` it may be left out; then the request's own counts.",
  }),
  protocol: z.enum(PROVIDER_TYPES, must(`one of ${PROVIDER_TYPES.join(", ")}`)).default("openai").openapi({
    description: "Protocol that the client speaks.",
  }),
  request: z.record(z.string(), z.unknown(), must("a JSON object: the body that a client would send"))
    .optional()
    .openapi({ description: "A client's whole request body; it is read, not sent." }),
  stream: wish("Asks for a stream."),
  tools: wish("Needs tools."),
  structured_output: wish("Needs structured output."),
  image: wish("Holds an image."),
  session_id: z.string(must("a string")).optional().openapi({ description: "What `sticky` sticks to." }),
}).openapi("Explain");

/** Members of {@linkcode explainBody}. */
export const explainNames = fieldNames(explainBody);

/** What is asked for, whichever way it was said. */
export interface Asked extends Inspection {
  readonly protocol: Protocol;
}

/** How a request of a protocol is read. */
const INSPECTORS: Readonly<Record<Protocol, (body: Record<string, unknown>) => Inspection>> = {
  openai: inspectChat,
  "openai-res": inspectResponses,
  anthropic: inspectMessage,
  // Its model and whether it is a stream stand in the path.
  gemini: (body) => ({ model: "", stream: false, ...inspectGenerate(body) }),
};

/** What a valid body asks for. @throws {Fault} */
export function askedOf(
  { model, protocol, request, ...properties }: z.output<typeof explainBody>,
): Asked {
  if (request === undefined) {
    if (model === undefined) {
      throw new Fault(
        400,
        "Invalid request body: model is required; or send a client's request body as request",
      );
    }
    const { stream = false, tools = false, structured_output = false, image = false, session_id = "" } =
      properties;
    return {
      protocol,
      model,
      stream,
      tools,
      structuredOutput: structured_output,
      image,
      sessionId: session_id,
    };
  }
  const [twice] = Object.keys(properties);
  if (twice !== undefined) {
    throw new Fault(400, `Invalid request body: ${twice} is read from request; send one of the two`);
  }
  const read = INSPECTORS[protocol](request);
  const name = model ?? read.model;
  if (name === "") throw new Fault(400, "Invalid request body: request names no model; set model");
  return { ...read, protocol, model: name };
}
