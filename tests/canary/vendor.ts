/** A vendor that quotes all that it is sent, in every way in which calls to vendors fail. @module */
import { OK_EVENTS, okEvents, okMessage } from "../upstream/anthropic_fixtures.ts";
import { OK_SSE, okChat, okSse } from "../upstream/fixtures.ts";
import { GEMINI_EVENTS, okGemini, okGeminiSse } from "../upstream/gemini_fixtures.ts";
import {
  answer,
  bytesOf,
  close,
  hang,
  json,
  type Reply,
  reset,
  type Step,
  write,
} from "../upstream/replies.ts";
import { OK_RESPONSE_SSE, okResponse } from "../upstream/response_fixtures.ts";
import type { UpstreamRequest } from "../upstream/scripted_upstream.ts";

/** The protocols. */
export const PROTOCOLS = ["openai", "openai-res", "anthropic", "gemini"] as const;
/** A protocol. */
export type Protocol = (typeof PROTOCOLS)[number];

/** What becomes of calls that reach the vendor; the first segment of a provider's path says which. */
export const FATES = [
  "good",
  "refusal",
  "unauthorized",
  "forbidden",
  "missing",
  "limited",
  "broken",
  "page",
  "empty",
  "redirect",
  "cut",
  "reset",
  "silent",
] as const;
/** What becomes of a call. */
export type Fate = (typeof FATES)[number];

const STATUS: Readonly<Partial<Record<Fate, number>>> = {
  refusal: 400,
  unauthorized: 401,
  forbidden: 403,
  missing: 404,
  limited: 429,
  broken: 500,
};

/** Replies as the fate and the protocol in the path say. `said` is what good answers say. */
export function vendorReply(request: UpstreamRequest, said: string): Reply {
  const [, fate = "", protocol = ""] = request.target.split("/");
  const status = STATUS[fate as Fate];
  if (status !== undefined) return json(status, errorBody(protocol, quote(request)), quoting(request));
  switch (fate as Fate) {
    case "page":
      return answer(502, `<html>${quote(request)}</html>`, { "content-type": "text/html" });
    case "empty":
      return json(200, { error: { message: quote(request), type: "server_error" } });
    case "redirect":
      return answer(307, quote(request), { location: `${request.target}?key=${credentialOf(request)}` });
    case "cut":
      return begun(good(request, protocol, said), close);
    case "reset":
      return begun(good(request, protocol, said), reset);
    case "silent":
      return [hang];
    default:
      return good(request, protocol, said);
  }
}

/** All that was sent, but for the body: a prompt is the client's own. */
function quote({ method, target, headers }: UpstreamRequest): string {
  const lines = Array.from(headers, ([name, value]) => `${name}: ${value}`).join("\n");
  const credentials = lines.split(/\s+/).filter((word) => word.length > 20);
  const basic = credentials.map((word) => btoa(`user:${word}`)).join(" ");
  return `cannot ${method} ${target}\n${lines}\nthat is ${basic} or ${
    credentials.map(encodeURIComponent).join(" ")
  }`;
}

function quoting(request: UpstreamRequest): Record<string, string> {
  return {
    "x-request-id": `req-${credentialOf(request)}`,
    "x-ratelimit-limit-requests": credentialOf(request),
  };
}

function credentialOf(request: UpstreamRequest): string {
  const value = request.header("authorization") ?? request.header("x-api-key") ??
    request.header("x-goog-api-key");
  return value?.split(" ").at(-1) ?? "";
}

function errorBody(protocol: string, message: string): unknown {
  if (protocol === "anthropic") return { type: "error", error: { type: "api_error", message } };
  if (protocol === "gemini") return { error: { code: 400, message, status: "INVALID_ARGUMENT" } };
  return { error: { message, type: "invalid_request_error", param: null, code: null } };
}

function good(request: UpstreamRequest, protocol: string, said: string): Reply {
  if (request.method === "GET") return json(200, { data: [{ id: "m" }], models: [{ name: "models/m" }] });
  if (/count_?tokens/i.test(request.target)) return json(200, { input_tokens: 5, totalTokens: 5 });
  const stream = /"stream":\s*true/.test(request.text) || request.target.includes("streamGenerateContent");
  const saying = (frames: readonly string[]) =>
    frames.map((frame) => frame.replaceAll(/"(text|content|delta)":"[^"]+"/g, `"$1":"${said}"`));
  switch (protocol) {
    case "openai":
      return stream ? okSse(saying(OK_SSE)) : whole(okChat(), said);
    case "openai-res":
      return stream ? okSse(saying(OK_RESPONSE_SSE)) : whole(okResponse(), said);
    case "anthropic":
      return stream ? okEvents(saying(OK_EVENTS)) : whole(okMessage(), said);
    default:
      return stream ? okGeminiSse(saying(GEMINI_EVENTS)) : whole(okGemini(), said);
  }
}

/** The same answer with other words in it. */
function whole(reply: Reply, said: string): Reply {
  const text = reply.map((step) => "write" in step ? new TextDecoder().decode(step.write) : "").join("");
  const body = text.slice(text.indexOf("\r\n\r\n") + 4)
    .replaceAll(/"(text|content)":"[^"]+"/g, `"$1":"${said}"`);
  return answer(200, body, { "content-type": "application/json" });
}

/** All but the end of a reply. */
function begun(reply: Reply, end: Step): Reply {
  const writes = reply.filter((step) => "write" in step);
  const last = writes.at(-1);
  const half = last !== undefined && writes.length === 2 ? [write(last.write.subarray(0, 40))] : [];
  return [...writes.slice(0, writes.length === 2 ? 1 : -2), ...half, end].map((step) =>
    "write" in step ? write(bytesOf(step.write)) : step
  );
}
