/** Gemini's operations on a model (https://ai.google.dev/api/generate-content). @module */
import { scalarText } from "../json_access.ts";
import type { ClientCall, Inspection, Operation, RepeatedModel } from "../protocol.ts";
import { withQuery } from "../path.ts";
import { GeminiStreamReader, readGeminiAnswer, readGeminiFigures } from "./answer.ts";
import { geminiDialect } from "./errors.ts";
import { writeArray, writeEvents } from "./fake_stream.ts";
import { inspectGenerate } from "./inspect.ts";
import { modelPath, resourceName, withoutCollection } from "./model_path.ts";

/** `POST models/{model}:generateContent`. */
export const generateContent: Operation = {
  ...operation("generateContent"),
  main: true,
  inspect: ({ pathModel, json }) => ({ model: pathModel, stream: false, ...inspectGenerate(json) }),
  readAnswer: readGeminiAnswer,
};

/**
 * `POST models/{model}:streamGenerateContent`: server-sent events with `alt=sse`, else the elements of a JSON array
 * while they come. The gateway neither adds nor drops it.
 */
export const streamGenerateContent: Operation = {
  ...operation("streamGenerateContent"),
  main: true,
  inspect: ({ pathModel, json }) => ({ model: pathModel, stream: true, ...inspectGenerate(json) }),
  streamsEvents: asksForEvents,
  stream: { open: () => new GeminiStreamReader() },
  readAnswer: readGeminiAnswer,
  fakeStream: {
    edits: [],
    path: (call, providerModel) =>
      generateContent.path({ ...call, query: withoutAlt(call.query) }, providerModel),
    write: (answer, call) => asksForEvents(call) ? writeEvents(answer) : writeArray(answer),
  },
};

/** `POST models/{model}:countTokens` (https://ai.google.dev/api/tokens). */
export const countTokens: Operation = {
  ...operation("countTokens"),
  repeatedModel: repeatedAt([["generateContentRequest", "model"], ["generate_content_request", "model"]]),
};

/** `POST models/{model}:embedContent` (https://ai.google.dev/api/embeddings). */
export const embedContent: Operation = {
  ...operation("embedContent"),
  repeatedModel: repeatedAt([["model"]]),
};

/** `POST models/{model}:batchEmbedContents`; each request repeats the model, and must name that of the path. */
export const batchEmbedContents: Operation = {
  ...operation("batchEmbedContents"),
  repeatedModel: repeatedAt([["requests", "*", "model"]]),
};

/**
 * What may be called of a model, by action. Batches and long-running predictions are not among them: what they start
 * lives on at one provider's account, where later calls would have to find it.
 */
export const GEMINI_ACTIONS: ReadonlyMap<string, Operation> = new Map(
  [generateContent, streamGenerateContent, countTokens, embedContent, batchEmbedContents]
    .map((each) => [each.name, each]),
);

/** A side operation; the main ones add to it. */
function operation(action: string): Operation {
  return {
    name: action,
    protocol: "gemini",
    dialect: geminiDialect,
    modelPlace: "path",
    main: false,
    inspect: inspectFigures,
    path: ({ query }, providerModel) => withQuery(`${modelPath(providerModel)}:${action}`, query),
    // Every answer and event reports its usage unasked.
    meteringEdit: () => null,
    refusesMetering: () => false,
    stream: null,
    readAnswer: readGeminiFigures,
  };
}

/** Counting and embedding take whatever is in the request; they need nothing of the model's gifts. */
function inspectFigures({ pathModel, json }: ClientCall): Inspection {
  return {
    model: pathModel,
    stream: false,
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: scalarText(json.session_id),
  };
}

/** `alt`, also spelled `$alt`, is a parameter of all of Google's APIs (https://cloud.google.com/apis/docs/system-parameters). */
function asksForEvents({ query }: ClientCall): boolean {
  const parameters = new URLSearchParams(query);
  return (parameters.get("alt") ?? parameters.get("$alt")) === "sse";
}

/** A query without the form of the stream; everything else keeps its bytes. */
function withoutAlt(query: string): string {
  return query.split("&").filter((pair) => !/^(\$|%24)?alt=/i.test(pair)).join("&");
}

/** A name other than that of the path is left for the vendor to refuse. */
function repeatedAt(paths: RepeatedModel["paths"]): RepeatedModel {
  return {
    paths,
    rename: (name, { pathModel }, providerModel) =>
      withoutCollection(name) === withoutCollection(pathModel) ? resourceName(providerModel) : null,
  };
}
