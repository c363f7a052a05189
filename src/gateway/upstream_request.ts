/** Builds the call to a provider from the client's request. @module */
import { endpoint } from "../protocols/base_url.ts";
import type { BodyEdit, ClientCall, FakeStream, Operation, RepeatedModel } from "../protocols/protocol.ts";
import { VENDORS } from "../protocols/vendors.ts";
import type { ClientBody, FormBody, JsonBody } from "./client_body.ts";
import { type HeaderRecord, passableRequestHeaders } from "./headers.ts";
import {
  appendMember,
  applySplices,
  scanObject,
  setMember,
  setPath,
  type Splice,
  valuesAt,
  withoutMember,
} from "./json_body.ts";
import type { Target } from "./routing_table.ts";
import type { UpstreamCall } from "./upstream.ts";

/** What the call to one candidate is made from. */
export interface CallParts {
  readonly operation: Operation;
  readonly method: UpstreamCall["method"];
  readonly target: Target;
  readonly secret: string;
  readonly call: ClientCall;
  readonly body: ClientBody;
  readonly clientHeaders: Headers;
  /** Ask for usage where the client did not. */
  readonly meter: boolean;
  /** The client asks for a stream. */
  readonly stream: boolean;
  /** How its stream is made of a whole answer, which is then asked for. @default it is not */
  readonly fake?: FakeStream | null;
  /** Value of `user-agent` when the client's own does not go on. */
  readonly userAgent: string;
}

/**
 * The call, and whether its stream tells usage on the gateway's own account: it was asked for, or a stream is made here,
 * which always tells it.
 */
export function buildCall(parts: CallParts): { call: UpstreamCall; metered: boolean } {
  const { operation, target, fake = null } = parts;
  const edit = parts.meter || fake !== null ? operation.meteringEdit(parts.call) : null;
  const path = fake?.path ?? operation.path;
  return {
    call: {
      url: endpoint(target.upstream.baseUrl, path(parts.call, target.providerModel)),
      method: parts.method,
      headers: buildHeaders(parts),
      body: buildBody(parts, fake === null ? edit : null),
      proxy: target.proxy,
    },
    metered: edit !== null,
  };
}

function buildBody(
  parts: CallParts,
  edit: BodyEdit | null,
): Uint8Array<ArrayBuffer> | null {
  const { body } = parts;
  switch (body.kind) {
    case "none":
      return null;
    case "json":
      return buildJson(body, parts, edit);
    case "form":
      return buildForm(body, parts.target);
  }
}

/** Of a form only the model's name changes: files and the other fields are the vendor's and the client's business. */
function buildForm({ bytes, fields }: FormBody, { providerModel }: Target): Uint8Array<ArrayBuffer> {
  const model = new TextEncoder().encode(providerModel);
  return applySplices(
    bytes,
    fields.filter(({ name }) => name === "model").map(({ start, end }) => ({ start, end, bytes: model })),
  );
}

/**
 * The gateway's own changes are spliced in in one copy. The operator's follow, where there are any: the provider's
 * overrides, then the association's `extra_body`, which thus has the last word.
 */
function buildJson(
  body: JsonBody,
  parts: CallParts,
  edit: BodyEdit | null,
): Uint8Array<ArrayBuffer> {
  const { operation, target } = parts;
  const splices = operation.modelPlace !== "path"
    ? setMember(body.span, "model", JSON.stringify(target.providerModel))
    : repeatedModels(body, parts);
  if (edit !== null) splices.push(...editSplices(body, edit));
  let bytes = applySplices(body.bytes, splices);
  // Side operations have parameters of their own.
  for (const [name, value] of operation.main ? target.overrides : []) bytes = withMember(bytes, name, value);
  for (const [path, value] of target.extraBody) bytes = setPath(bytes, path, value);
  for (const [name, value] of parts.fake?.edits ?? []) {
    bytes = value === null ? withoutMember(bytes, name) : withMember(bytes, name, value);
  }
  return bytes;
}

function withMember(bytes: Uint8Array<ArrayBuffer>, name: string, json: string): Uint8Array<ArrayBuffer> {
  return applySplices(bytes, setMember(scanObject(bytes), name, json));
}

/** Where the path names the model, some bodies name it once more, and vendors compare the two. */
function repeatedModels(body: JsonBody, { operation, call, target }: CallParts): Splice[] {
  const { paths, rename } = operation.repeatedModel ?? NOWHERE;
  return paths.flatMap((path) =>
    valuesAt(body.bytes, path).flatMap(({ start, end }) => {
      const value: unknown = JSON.parse(decoder.decode(body.bytes.subarray(start, end)));
      const name = typeof value === "string" ? rename(value, call, target.providerModel) : null;
      return name === null ? [] : [{ start, end, bytes: encoder.encode(JSON.stringify(name)) }];
    })
  );
}

const NOWHERE: RepeatedModel = { paths: [], rename: () => null };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const OPEN_BRACE = 0x7b;

function editSplices(body: JsonBody, { path: [name, inner], json }: BodyEdit): Splice[] {
  if (inner === undefined) return setMember(body.span, name, json);
  return body.span.members
    .filter((member) => member.name === name && body.bytes[member.valueStart] === OPEN_BRACE)
    .flatMap((member) => {
      const object = scanObject(body.bytes, member.valueStart);
      const found = object.members.some((each) => each.name === inner);
      return found ? setMember(object, inner, json) : [appendMember(object, inner, json)];
    });
}

function buildHeaders(parts: CallParts): HeaderRecord {
  const { operation, target, body } = parts;
  const headers: HeaderRecord = {
    accept: acceptOf(
      operation,
      parts.stream && !parts.fake && (operation.streamsEvents?.(parts.call) ?? true),
    ),
    // `fetch` would add "*" of its own.
    "accept-language": "",
    "user-agent": parts.userAgent,
  };
  if (target.withHeader) {
    for (const [name, value] of passableRequestHeaders(parts.clientHeaders)) headers[name] = value;
  }
  for (const [name, value] of target.customerHeaders) headers[name.toLowerCase()] = value;
  if (body.kind === "json") headers["content-type"] = "application/json";
  else if (body.kind === "form") headers["content-type"] = body.contentType;
  // Answers are read on the way, so they must come as they are.
  headers["accept-encoding"] = "identity";
  return Object.assign(headers, VENDORS[operation.protocol].headers(target.upstream, parts.secret, headers));
}

function acceptOf({ readAnswer, textAnswers }: Operation, events: boolean): string {
  if (events) return "text/event-stream";
  return readAnswer === null || textAnswers === true ? "*/*" : "application/json";
}
