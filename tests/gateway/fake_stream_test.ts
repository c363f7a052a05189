import assert from "node:assert/strict";
import { streamedAnswer } from "../../src/gateway/fake_stream.ts";
import { openaiChat } from "../../src/protocols/openai/chat.ts";
import type { FakeStream } from "../../src/protocols/protocol.ts";

Deno.test("streamedAnswer() makes pieces only as they are read, and breaks off when the call is ended", async () => {
  let made = 0;
  const fake: FakeStream = {
    edits: [],
    *write() {
      for (;;) yield `data: ${made++}\n\n`;
    },
  };
  const abort = new AbortController();
  const call = { pathModel: "", query: "", json: {}, form: new Map<string, string>() };
  const whole = { response: new Response(null, { status: 200 }), body: new Uint8Array(0) };
  const { response, body } = streamedAnswer(whole, fake, { operation: openaiChat, call, abort });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = body.getReader({ mode: "byob" });
  const { value } = await reader.read(new Uint8Array(1_024));
  assert.equal(new TextDecoder().decode(value), "data: 0\n\n");
  assert.ok(made <= 2, String(made));
  const reason = new Error("the call has ended");
  abort.abort(reason);
  await assert.rejects(reader.read(new Uint8Array(1_024)), reason);
});
