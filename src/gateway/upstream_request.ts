/** Builds the call to a provider from the client's request. @module */
import type { WireProtocol } from "../protocols/protocol.ts";
import { endpoint } from "../protocols/base_url.ts";
import { type HeaderRecord, passableRequestHeaders } from "./headers.ts";
import { appendMember, applySplices, type ObjectSpan, scanObject, setMember, setPath } from "./json_body.ts";
import type { Target } from "./routing_table.ts";
import type { UpstreamCall } from "./upstream.ts";

const decoder = new TextDecoder();

/** A client's request, read and understood. */
export interface ClientBody {
  readonly bytes: Uint8Array;
  /** The same, parsed; only ever looked at. */
  readonly json: Record<string, unknown>;
  readonly span: ObjectSpan;
}

/** Reads a body. @returns `null` when it is not a JSON object */
export function parseClientBody(bytes: Uint8Array): ClientBody | null {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return null;
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
  return { bytes, json: json as Record<string, unknown>, span: scanObject(bytes) };
}

/** What the call to one candidate is made from. */
export interface CallParts {
  readonly protocol: WireProtocol;
  readonly target: Target;
  readonly secret: string;
  readonly body: ClientBody;
  readonly clientHeaders: Headers;
  /** Ask for usage where the client did not. */
  readonly meter: boolean;
  /** The client asks for a stream. */
  readonly stream: boolean;
  /** Value of `user-agent` when the client's own does not go on. */
  readonly userAgent: string;
}

/** The call, and whether usage was asked for on the gateway's own account. */
export function buildCall(parts: CallParts): { call: UpstreamCall; metered: boolean } {
  const { protocol, target } = parts;
  const edit = parts.meter ? protocol.meteringEdit(parts.body.json) : null;
  return {
    call: {
      url: endpoint(target.upstream.baseUrl, protocol.path),
      method: "POST",
      headers: buildHeaders(parts),
      body: buildBody(parts, edit),
      proxy: target.proxy,
    },
    metered: edit !== null,
  };
}

/** `model` and `stream_options` are spliced in one copy; the operator's `extra_body`, where there is one, after it. */
function buildBody(
  parts: CallParts,
  edit: ReturnType<WireProtocol["meteringEdit"]>,
): Uint8Array<ArrayBuffer> {
  const { body, target } = parts;
  const splices = setMember(body.span, "model", JSON.stringify(target.providerModel));
  if (edit !== null) {
    const [name = "", inner] = edit.path;
    if (inner === undefined) splices.push(...setMember(body.span, name, edit.json));
    else {
      for (const member of body.span.members) {
        if (member.name !== name || body.bytes[member.valueStart] !== 0x7b) continue;
        const object = scanObject(body.bytes, member.valueStart);
        const found = object.members.some((m) => m.name === inner);
        splices.push(
          ...(found ? setMember(object, inner, edit.json) : [appendMember(object, inner, edit.json)]),
        );
      }
    }
  }
  let bytes = applySplices(body.bytes, splices);
  for (const [path, value] of target.extraBody) bytes = setPath(bytes, path, value);
  return bytes;
}

function buildHeaders(parts: CallParts): HeaderRecord {
  const { protocol, target } = parts;
  const headers: HeaderRecord = {
    accept: parts.stream ? "text/event-stream" : "application/json",
    // `fetch` would add "*" of its own.
    "accept-language": "",
    "user-agent": parts.userAgent,
  };
  if (target.withHeader) {
    for (const [name, value] of passableRequestHeaders(parts.clientHeaders)) headers[name] = value;
  }
  for (const [name, value] of target.customerHeaders) headers[name.toLowerCase()] = value;
  headers["content-type"] = "application/json";
  // Answers are read on the way, so they must come as they are.
  headers["accept-encoding"] = "identity";
  for (const [name, value] of protocol.headers(target.upstream, parts.secret)) headers[name] = value;
  return headers;
}
