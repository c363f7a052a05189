import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { okSse } from "../upstream/fixtures.ts";
import { answer, chunk, head, json, sse, write } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

const client = (gateway: TestGateway) =>
  new OpenAI({ apiKey: TOKEN, baseURL: `${gateway.url}/v1`, maxRetries: 0 });

/** A byte of every value, so that a body that is read as text anywhere comes out different. */
const BYTES = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);

const event = (type: string, fields: Record<string, unknown> = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;

Deno.test("openai SDK: embeddings pass, as numbers and as base64, and their input is counted", async () => {
  await using upstream = await ScriptedUpstream.start((request) => {
    const { encoding_format } = request.json() as { encoding_format?: string };
    const embedding = encoding_format === "base64" ? btoa("\0\0\x80?") : [1];
    return json(200, {
      object: "list",
      data: [{ object: "embedding", index: 0, embedding }],
      model: "upstream-model",
      usage: { prompt_tokens: 13, total_tokens: 13 },
    });
  });
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  for (const encoding_format of ["float", undefined] as const) {
    const { data } = await client(gateway).embeddings.create({
      model: "m",
      input: "hi",
      ...(encoding_format && { encoding_format }),
    });
    assert.deepEqual(Array.from(data[0]?.embedding ?? []), [1]);
  }
  assert.equal(upstream.requests[0]?.target, "/v1/embeddings");
  assert.equal((upstream.requests[0]?.json() as { model: string }).model, "upstream-model-1");
  const [row] = await gateway.logs(2);
  assert.deepEqual(
    [row?.prompt_tokens, row?.completion_tokens, row?.total_tokens, row?.UsageSource, row?.Style],
    [13, 0, 13, "measured", "openai"],
  );
});

Deno.test("openai SDK: legacy completions stream and are metered, without a usage chunk for who did not ask", async () => {
  const piece = (text: string, finish_reason: string | null = null) =>
    `data: ${
      JSON.stringify({ object: "text_completion", choices: [{ index: 0, text, finish_reason }] })
    }\n\n`;
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  await using upstream = await ScriptedUpstream.start(okSse([
    piece("Hel"),
    piece("lo"),
    piece("", "stop"),
    `data: ${JSON.stringify({ object: "text_completion", choices: [], usage })}\n\n`,
    "data: [DONE]\n\n",
  ]));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const chunks = [];
  for await (
    const each of await client(gateway).completions.create({ model: "m", prompt: "x", stream: true })
  ) {
    chunks.push(each);
  }
  assert.equal(chunks.map(({ choices }) => choices[0]?.text).join(""), "Hello");
  assert.ok(chunks.every(({ choices }) => choices.length === 1));
  assert.deepEqual((upstream.requests[0]?.json() as { stream_options: unknown }).stream_options, {
    include_usage: true,
  });
  assert.deepEqual((await gateway.logs(1)).map((row) => [row.Status, row.total_tokens]), [["success", 5]]);
});

Deno.test("openai SDK: moderations pass", async () => {
  const results = [{ flagged: false, categories: {}, category_scores: {}, category_applied_input_types: {} }];
  await using upstream = await ScriptedUpstream.start(json(200, { id: "modr-1", model: "x", results }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const moderation = await client(gateway).moderations.create({ model: "m", input: "hi" });
  assert.deepEqual(moderation.results, results);
});

Deno.test("openai SDK: pictures are made, whole and as a stream of previews, and their tokens are counted", async () => {
  const usage = { input_tokens: 8, output_tokens: 20, total_tokens: 28 };
  await using upstream = await ScriptedUpstream.start((request) => {
    const { stream } = request.json() as { stream?: boolean };
    if (stream !== true) return json(200, { created: 1, data: [{ b64_json: "AAAA" }], usage });
    return sse([
      event("image_generation.partial_image", { b64_json: "AA==", partial_image_index: 0 }),
      event("image_generation.completed", { b64_json: "AAAA", usage }),
    ]);
  });
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { images } = client(gateway);
  const whole = await images.generate({ model: "m", prompt: "a cat" });
  assert.equal(whole.data?.[0]?.b64_json, "AAAA");
  const types = [];
  for await (const each of await images.generate({ model: "m", prompt: "a cat", stream: true })) {
    types.push(each.type);
  }
  assert.deepEqual(types, ["image_generation.partial_image", "image_generation.completed"]);
  assert.deepEqual((await gateway.logs(2)).map((row) => row.total_tokens), [28, 28]);
});

Deno.test("openai SDK: pictures are edited and varied: the form arrives byte for byte, but for the model", async () => {
  await using upstream = await ScriptedUpstream.start(
    json(200, { created: 1, data: [{ b64_json: "AAAA" }] }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { images } = client(gateway);
  const image = await toFile(BYTES, '猫 "1".png', { type: "image/png" });
  await images.edit({ model: "m", image: [image, image], mask: image, prompt: "model\r\nm" });
  await images.createVariation({ model: "m", image });
  assert.deepEqual(upstream.requests.map(({ target }) => target), [
    "/v1/images/edits",
    "/v1/images/variations",
  ]);
  for (const [index, request] of upstream.requests.entries()) {
    const form = await new Response(new Uint8Array(request.body), {
      headers: { "content-type": request.header("content-type") ?? "" },
    }).formData();
    assert.equal(form.get("model"), "upstream-model-1");
    const files = [...form.values()].filter((value) => value instanceof File);
    assert.equal(files.length, index === 0 ? 3 : 1);
    for (const file of files) assert.deepEqual(await file.bytes(), BYTES);
    assert.equal(request.header("content-length"), String(request.body.length));
  }
});

Deno.test("openai SDK: speech arrives as the bytes that it is, piece by piece, and as events", async () => {
  const held = Promise.withResolvers<void>();
  await using upstream = await ScriptedUpstream.start((request) => {
    const { stream_format } = request.json() as { stream_format?: string };
    if (stream_format === "sse") {
      return sse([
        event("speech.audio.delta", { audio: "AAAA" }),
        event("speech.audio.done", { usage: { input_tokens: 4, output_tokens: 9, total_tokens: 13 } }),
      ]);
    }
    return [
      write(head(200, { "content-type": "audio/mpeg", "transfer-encoding": "chunked" })),
      write(chunk(BYTES)),
      { until: held.promise },
      write(chunk(BYTES)),
      write("0\r\n\r\n"),
    ];
  });
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const asked = { model: "m", input: "hi", voice: "alloy" } as const;
  const speech = await client(gateway).audio.speech.create(asked);
  assert.equal(speech.headers.get("content-type"), "audio/mpeg");
  const reader = speech.body?.getReader();
  const first = (await reader?.read())?.value;
  assert.deepEqual(first, BYTES);
  // The provider goes on only once its first sounds have been heard here.
  held.resolve();
  const rest = [];
  for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
    rest.push(...(piece.value as Uint8Array));
  }
  assert.deepEqual(Uint8Array.from(rest), BYTES);
  const events = await (await client(gateway).audio.speech.create({ ...asked, stream_format: "sse" })).text();
  assert.match(events, /speech\.audio\.done/);
  assert.deepEqual((await gateway.logs(2)).map((row) => [row.Status, row.total_tokens]), [["success", 0], [
    "success",
    13,
  ]]);
});

Deno.test("openai SDK: sound is written down, as JSON, as text and as a stream", async () => {
  const usage = { type: "tokens", input_tokens: 14, output_tokens: 5, total_tokens: 19 };
  await using upstream = await ScriptedUpstream.start((request) => {
    if (request.text.includes("event-stream") || request.header("accept") === "text/event-stream") {
      return sse([
        event("transcript.text.delta", { delta: "Hel" }),
        event("transcript.text.done", { text: "Hello", usage }),
      ]);
    }
    return request.text.includes("\r\n\r\nsrt\r\n")
      ? answer(200, "1\n00:00:00,000 --> 00:00:01,000\nHello\n", { "content-type": "text/plain" })
      : json(200, { text: "Hello", usage });
  });
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const { transcriptions, translations } = client(gateway).audio;
  const file = await toFile(BYTES, "a.mp3", { type: "audio/mpeg" });
  assert.equal((await transcriptions.create({ model: "m", file })).text, "Hello");
  assert.match(await transcriptions.create({ model: "m", file, response_format: "srt" }), /-->/);
  const deltas = [];
  for await (const each of await transcriptions.create({ model: "m", file, stream: true })) {
    if (each.type === "transcript.text.delta") deltas.push(each.delta);
  }
  assert.deepEqual(deltas, ["Hel"]);
  assert.equal((await translations.create({ model: "m", file })).text, "Hello");
  assert.equal(upstream.requests.at(-1)?.target, "/v1/audio/translations");
  const rows = await gateway.logs(4);
  assert.deepEqual(rows.map((row) => [row.Status, row.total_tokens]), [
    ["success", 19],
    ["success", 0],
    ["success", 19],
    ["success", 19],
  ]);
});
