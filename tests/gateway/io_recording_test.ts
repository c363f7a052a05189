import assert from "node:assert/strict";
import { jsonBody, NO_BODY, understoodBody } from "../../src/gateway/client_body.ts";
import { IoRecording } from "../../src/gateway/io_recording.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const request = jsonBody(bytes('{"model":"m"}')) ?? NO_BODY;
const recording = (limit = 1_000, secrets: readonly string[] = []) =>
  new IoRecording(request, limit, secrets);

Deno.test("a whole answer is recorded as its text beside the request", () => {
  const io = recording().whole({ body: bytes('{"a":1}'), contentType: "application/json; charset=utf-8" });
  assert.deepEqual(io, { input: '{"model":"m"}', text: '{"a":1}', events: null });
});

Deno.test("a stream is recorded as its events, without the end mark, wherever its bytes were cut", () => {
  const stream = ': hello\n\ndata: {"a":"é"}\n\nevent: x\r\ndata: two\r\ndata: lines\r\n\r\ndata: [DONE]\n\n';
  for (const size of [1, 3, 1_000]) {
    const io = recording();
    const all = bytes(stream);
    for (let at = 0; at < all.length; at += size) io.keep(all.subarray(at, at + size));
    assert.deepEqual(io.streamed("text/event-stream"), {
      input: '{"model":"m"}',
      text: "",
      events: ['{"a":"é"}', "two\nlines"],
    });
  }
});

Deno.test("each body is kept up to the limit, and says what it was in all", () => {
  const long = recording(4).whole({ body: bytes("12345678"), contentType: "text/plain" });
  assert.deepEqual([long.input, long.text], [
    '{"mo\n[cut off: 13 bytes in all]',
    "1234\n[cut off: 8 bytes in all]",
  ]);
  const stream = recording(16);
  for (let n = 0; n < 5; n++) stream.keep(bytes(`data: ${n}\n\n`));
  assert.deepEqual(stream.streamed("text/event-stream").events, ["0", "1", "[cut off: 45 bytes in all]"]);
});

Deno.test("the provider's secrets are not recorded, whole or streamed", () => {
  const secret = "sk-provider-secret";
  const whole = recording(1_000, [secret]).whole({ body: bytes(`bad key ${secret}`), contentType: "" });
  assert.equal(whole.text, "bad key ****");
  const stream = recording(1_000, [secret]);
  stream.keep(bytes(`data: ${secret.slice(0, 5)}`));
  stream.keep(bytes(`${secret.slice(5)}\n\n`));
  assert.deepEqual(stream.streamed("text/event-stream").events, ["****"]);
});

Deno.test("sound, pictures and files are named, not kept", () => {
  const sound = recording();
  sound.keep(new Uint8Array(10));
  assert.equal(sound.streamed("audio/mpeg").text, "[audio/mpeg: 10 bytes]");
  const form = bytes(
    '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n' +
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nxyz\r\n--b--\r\n',
  );
  const body = understoodBody(form, "multipart/form-data; boundary=b", "form");
  assert.ok("kind" in body);
  const { input } = new IoRecording(body, 1_000, []).unanswered();
  assert.match(input, /^\{"model":"m"\} \[multipart\/form-data: \d+ bytes\]$/);
});

Deno.test("an array of JSON that streams is recorded as its text", () => {
  const io = recording();
  io.keep(bytes("[{},"));
  io.keep(bytes("{}]"));
  assert.deepEqual(io.streamed("application/json"), {
    input: '{"model":"m"}',
    text: "[{},{}]",
    events: null,
  });
});
