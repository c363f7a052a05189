/** A provider that answers chats, lists its models and counts tokens. @module */
import { CHAT_COMPLETION } from "../upstream/fixtures.ts";
import { json, type Reply } from "../upstream/replies.ts";
import { ScriptedUpstream, type UpstreamRequest } from "../upstream/scripted_upstream.ts";

/** The provider; what it answers on one path can be scripted. */
export interface Vendor extends AsyncDisposable {
  readonly url: string;
  readonly requests: ScriptedUpstream["requests"];
  /** From now on requests whose path holds this are answered so; others, probes among them, as ever. */
  answer(path: string, reply: (request: UpstreamRequest) => Reply): void;
}

/** What it answers to a request for a count. */
export const OK_COUNT = { input_tokens: 9 };

/** Starts one. */
export async function startVendor(): Promise<Vendor> {
  const replies = new Map<string, (request: UpstreamRequest) => Reply>();
  const upstream = await ScriptedUpstream.start((request) => {
    const { target } = request;
    const [, scripted] = [...replies].findLast(([path]) => target.includes(path)) ?? [];
    if (scripted !== undefined) return scripted(request);
    if (target.includes("/models")) {
      return json(200, {
        object: "list",
        data: [{ id: "a", object: "model", created: 1, owned_by: "acme" }],
      });
    }
    if (target.includes("/count_tokens")) return json(200, OK_COUNT);
    return json(200, CHAT_COMPLETION);
  });
  return {
    url: upstream.url,
    requests: upstream.requests,
    answer: (path, reply) => void replies.set(path, reply),
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  };
}
