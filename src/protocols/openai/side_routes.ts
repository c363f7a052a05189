/**
 * The operations of OpenAI's API that pass through to providers of type `openai`, beside chats. A provider that does
 * not have one answers 404, which says nothing about its models.
 *
 * @module
 */
import { asString, scalarText } from "../json_access.ts";
import { withQuery } from "../path.ts";
import { type ClientCall, eventByEvent, type Inspection, type Operation } from "../protocol.ts";
import { readChatAnswer, readChatEvent } from "./answer.ts";
import { refusesStreamUsage, streamUsageEdit } from "./chat.ts";
import { openaiDialect } from "./errors.ts";
import { isOn } from "./inspect.ts";
import { readSideAnswer, readSideEvent } from "./side_answer.ts";

type Traits =
  & Pick<Operation, "name">
  & Partial<Omit<Operation, "path">>
  & { readonly path: string };

function sideRoute({ path, ...traits }: Traits): Operation {
  return {
    protocol: "openai",
    dialect: openaiDialect,
    modelPlace: "json",
    main: false,
    inspect: (call) => inspection(call, isOn(call.json.stream)),
    path: ({ query }) => withQuery(path, query),
    meteringEdit: () => null,
    refusesMetering: () => false,
    stream: eventByEvent(readSideEvent),
    readAnswer: readSideAnswer,
    ...traits,
  };
}

/** Forms hold text alone. Servers take JSON in place of some of them, so both are looked at. */
const FORM = {
  modelPlace: "form",
  inspect: (call: ClientCall) => inspection(call, isOn(call.form.get("stream") ?? call.json.stream)),
} as const;

function inspection({ json, form }: ClientCall, stream: boolean): Inspection {
  return {
    model: form.get("model") ?? asString(json.model),
    stream,
    // The capabilities are those of chat models; who is set up for one of these operations can do it.
    tools: false,
    structuredOutput: false,
    image: false,
    sessionId: form.get("session_id") ?? scalarText(json.session_id),
  };
}

/** Legacy completions (https://platform.openai.com/docs/api-reference/completions), streamed and metered like chats. */
export const completions: Operation = sideRoute({
  name: "completions",
  path: "/completions",
  meteringEdit: streamUsageEdit,
  refusesMetering: refusesStreamUsage,
  stream: eventByEvent((_name, data) => readChatEvent(data)),
  readAnswer: readChatAnswer,
});

/** https://platform.openai.com/docs/api-reference/embeddings */
export const embeddings: Operation = sideRoute({ name: "embeddings", path: "/embeddings" });

/** No route of OpenAI's own; vLLM, Jina and others have it (https://api.jina.ai/redoc). */
export const rerank: Operation = sideRoute({ name: "rerank", path: "/rerank" });

/** https://platform.openai.com/docs/api-reference/moderations */
export const moderations: Operation = sideRoute({ name: "moderations", path: "/moderations" });

/** https://platform.openai.com/docs/api-reference/images/create */
export const imageGenerations: Operation = sideRoute({
  name: "images.generations",
  path: "/images/generations",
});

/** https://platform.openai.com/docs/api-reference/images/createEdit */
export const imageEdits: Operation = sideRoute({ name: "images.edits", path: "/images/edits", ...FORM });

/** https://platform.openai.com/docs/api-reference/images/createVariation */
export const imageVariations: Operation = sideRoute({
  name: "images.variations",
  path: "/images/variations",
  ...FORM,
});

/** https://platform.openai.com/docs/api-reference/audio/createSpeech; `stream_format` asks for events in place of sound. */
export const speech: Operation = sideRoute({
  name: "audio.speech",
  path: "/audio/speech",
  inspect: (call) => inspection(call, call.json.stream_format === "sse"),
  readAnswer: null,
});

/** https://platform.openai.com/docs/api-reference/audio/createTranscription; subtitles and plain text are text. */
export const transcriptions: Operation = sideRoute({
  name: "audio.transcriptions",
  path: "/audio/transcriptions",
  textAnswers: true,
  ...FORM,
});

/** https://platform.openai.com/docs/api-reference/audio/createTranslation */
export const translations: Operation = sideRoute({
  name: "audio.translations",
  path: "/audio/translations",
  textAnswers: true,
  ...FORM,
});
