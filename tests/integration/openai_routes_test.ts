/** The other OpenAI routes on the wire, and what is under the prefixes that is no route. @module */
import assert from "node:assert/strict";
import { okChat, okSse } from "../upstream/fixtures.ts";
import { answer, json, sse } from "../upstream/replies.ts";
import { okResponse, okResponseSse } from "../upstream/response_fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { call, responsesProvider, statusOf } from "./openai_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const inOrder = { strategy: "rotor" };
const busy = json(503, { error: { message: "busy" } });

/** A form whose bytes no library would write like that. */
function oddForm(model = "m"): Uint8Array<ArrayBuffer> {
  const text = "preamble\r\n--Odd'Boundary \t\r\n" +
    'Content-Disposition: form-data; name="file"; filename="a\\"b.png"\r\nContent-Type: image/png\r\n\r\n' +
    "model\r\n--Odd\u0000\u00ff\r\n\r\n--Odd'Boundary\r\n" +
    `content-disposition:form-data;name=model\r\nX-Own: 1\r\n\r\n${model}\r\n--Odd'Boundary\r\n` +
    'Content-Disposition: form-data; name="prompt"\r\n\r\nm\r\n--Odd\'Boundary--\r\nepilogue m';
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
const ODD_TYPE = `multipart/form-data; charset=utf-8; boundary="Odd'Boundary"`;

Deno.test("a stream fails over like a whole answer, on every route", async () => {
  const side = json(200, { data: [], results: [], text: "x" });
  const form = () => [oddForm(), { "content-type": ODD_TYPE }] as const;
  const cases: [
    string,
    string,
    ReturnType<typeof okChat>,
    Parameters<typeof call>[3],
    Record<string, string>?,
  ][] = [
    ["/chat/completions", "openai", okChat(), { model: "m", messages: [] }],
    ["/chat/completions", "openai", okSse(), { model: "m", messages: [], stream: true }],
    ["/responses", "openai-res", okResponse(), { model: "m", input: "x" }],
    ["/responses", "openai-res", okResponseSse(), { model: "m", input: "x", stream: true }],
    ["/completions", "openai", okChat(), { model: "m", prompt: "x" }],
    ["/completions", "openai", okSse(), { model: "m", prompt: "x", stream: true }],
    ["/embeddings", "openai", side, { model: "m", input: "x" }],
    ["/rerank", "openai", side, { model: "m", query: "x", documents: ["y"] }],
    ["/moderations", "openai", side, { model: "m", input: "x" }],
    ["/images/generations", "openai", side, { model: "m", prompt: "x" }],
    ["/images/generations", "openai", sse(['data: {"type":"x"}\n\n']), {
      model: "m",
      prompt: "x",
      stream: true,
    }],
    ["/images/edits", "openai", side, ...form()],
    ["/images/variations", "openai", side, ...form()],
    ["/audio/speech", "openai", answer(200, "sound", { "content-type": "audio/wav" }), {
      model: "m",
      input: "x",
    }],
    ["/audio/transcriptions", "openai", side, ...form()],
    ["/audio/translations", "openai", side, ...form()],
  ];
  for (const [path, type, good, body, headers] of cases) {
    await using bad = await ScriptedUpstream.start(busy);
    await using spare = await ScriptedUpstream.start(good);
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      model: inOrder,
      providers: [
        { url: bad.url, provider: { type }, association: { weight: 9 } },
        { url: spare.url, provider: { type } },
      ],
    });
    const response = await call(gateway, "POST", path, body, headers);
    assert.equal(response.status, 200, path);
    await response.body?.pipeTo(new WritableStream());
    assert.deepEqual([bad, spare].map(({ requests }) => requests[0]?.target), [`/v1${path}`, `/v1${path}`]);
    const rows = await gateway.logs(2);
    assert.deepEqual(rows.map((row) => [row.Outcome, row.Retry]), [["overload", 0], ["completed", 1]], path);
  }
});

Deno.test("form: the provider gets the client's bytes and boundary, but for the model's name", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { data: [] }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const sent = oddForm();
  assert.equal(
    await statusOf(call(gateway, "POST", "/images/edits?api-version=1", sent, { "content-type": ODD_TYPE })),
    200,
  );
  const [request] = upstream.requests;
  assert.deepEqual(request?.body, oddForm("upstream-model-1"));
  assert.equal(request?.header("content-type"), ODD_TYPE);
  assert.equal(request?.header("content-length"), String(request?.body.length));
  assert.equal(request?.target, "/v1/images/edits?api-version=1");
});

Deno.test("form: one that is broken, or names no model, is refused with a reason; JSON in its place is taken", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { data: [] }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const post = (body: BodyInit, type: string) =>
    call(gateway, "POST", "/audio/transcriptions", body, { "content-type": type });
  const withoutModel = new TextDecoder().decode(oddForm()).replace("name=model", "name=other");
  for (
    const [body, type, code] of [
      [oddForm(), "multipart/form-data", "invalid_form"],
      [oddForm(), "multipart/form-data; boundary=other", "invalid_form"],
      [oddForm().subarray(0, 200), ODD_TYPE, "invalid_form"],
      ["model=m", "application/x-www-form-urlencoded", "invalid_form"],
      ["", ODD_TYPE, "invalid_form"],
      [withoutModel, ODD_TYPE, "missing_model"],
    ] as [BodyInit, string, string][]
  ) {
    const response = await post(body, type);
    assert.equal(response.status, 400);
    const { error } = await response.json();
    assert.deepEqual([error.code, error.type], [code, "invalid_request_error"]);
  }
  assert.equal(upstream.requests.length, 0);
  assert.equal(await statusOf(post('{"big":9007199254740993,"model":"m"}', "application/json")), 200);
  assert.equal(upstream.requests[0]?.text, '{"big":9007199254740993,"model":"upstream-model-1"}');
});

Deno.test("form: one over the limit is 413, and one of many megabytes passes whole, again at the next provider", async () => {
  await using bad = await ScriptedUpstream.start(busy);
  await using good = await ScriptedUpstream.start(json(200, { text: "x" }));
  await using gateway = await TestGateway.start({ "body-limit-mb": "10" });
  await gateway.serveModel({
    model: inOrder,
    providers: [{ url: bad.url, association: { weight: 9 } }, good.url],
  });
  const form = (bytes: number) => {
    const form = new FormData();
    form.set("file", new File([new Uint8Array(bytes).fill(0x2d)], "a.wav"));
    form.set("model", "m");
    return call(gateway, "POST", "/audio/transcriptions", form);
  };
  const refused = await form(11 * 1024 * 1024);
  assert.equal(refused.status, 413);
  assert.match((await refused.json()).error.message, /limit of 10 MiB/);
  assert.equal(await statusOf(form(9 * 1024 * 1024)), 200);
  for (const [upstream, name] of [[bad, "upstream-model-1"], [good, "upstream-model-2"]] as const) {
    const [request] = upstream.requests;
    const received = await new Response(new Uint8Array(request?.body ?? []), {
      headers: { "content-type": request?.header("content-type") ?? "" },
    }).formData();
    assert.equal(received.get("model"), name);
    const file = received.get("file");
    assert.ok(file instanceof File && file.size === 9 * 1024 * 1024);
  }
});

Deno.test("an answer without content passes as what it is, where one may be given", async () => {
  await using upstream = await ScriptedUpstream.start(answer(204, ""));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await call(gateway, "POST", "/moderations", { model: "m", input: "x" });
  assert.deepEqual([response.status, await response.text()], [204, ""]);
  assert.equal((await gateway.logs(1))[0]?.Status, "success");
});

Deno.test("a provider without a route is not thought ill of: its 404 reaches the client, and chats go on", async () => {
  const missing = { error: { message: "Not found", type: "not_found_error", code: null } };
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target === "/v1/chat/completions" ? okChat() : json(404, missing)
  );
  await using gateway = await TestGateway.start();
  const { providers } = await gateway.serveModel({ model: { breaker: true }, providers: [upstream.url] });
  for (let i = 0; i < 6; i++) {
    const response = await call(gateway, "POST", "/embeddings", { model: "m", input: "x" });
    assert.deepEqual([response.status, await response.json()], [404, missing]);
  }
  assert.equal(await statusOf(gateway.chat({})), 200);
  const health = await gateway.admin<{ error_count: number }>("GET", `/providers/health/${providers[0]?.ID}`);
  assert.equal(health.error_count, 0);
});

Deno.test("what is no sound, no picture and no text where one was asked for goes to the next provider", async () => {
  const page = answer(200, "<!doctype html><p>busy", { "content-type": "text/html" });
  const silent = answer(200, "", { "content-type": "audio/mpeg" });
  const refusal = json(200, { error: { message: "no capacity", type: "server_error" } });
  const cases: [string, typeof page[]][] = [
    ["/audio/speech", [page, silent, refusal]],
    ["/audio/transcriptions", [page, refusal, json(200, {})]],
    ["/embeddings", [page, refusal, answer(200, "busy", { "content-type": "text/plain" })]],
  ];
  for (const [path, bads] of cases) {
    await using bad = await ScriptedUpstream.start();
    await using good = await ScriptedUpstream.start(json(200, { text: "good", data: [] }));
    await using gateway = await TestGateway.start();
    await gateway.serveModel({
      model: inOrder,
      providers: [{ url: bad.url, association: { weight: 9 } }, good.url],
    });
    for (const reply of bads) {
      bad.enqueue(reply);
      const response = await call(gateway, "POST", path, { model: "m", input: "x" });
      assert.match(await response.text(), /good/, path);
    }
  }
});

Deno.test("silence is written down as nothing, and that is an answer", async () => {
  await using upstream = await ScriptedUpstream.start(answer(200, "\n", { "content-type": "text/plain" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await call(gateway, "POST", "/audio/transcriptions", oddForm(), {
    "content-type": ODD_TYPE,
  });
  assert.deepEqual([response.status, await response.text()], [200, "\n"]);
});

Deno.test("a sound that breaks off breaks off for the client too, and nothing is added to it", async () => {
  await using upstream = await ScriptedUpstream.start(
    sse(["sound"], { headers: { "content-type": "audio/mpeg" }, end: "reset" }),
  );
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const response = await call(gateway, "POST", "/audio/speech", { model: "m", input: "x" });
  await assert.rejects(response.text());
  assert.equal((await gateway.logs(1))[0]?.Status, "error");
});

Deno.test("what a provider is told that it will be sent is what the operation may bring", async () => {
  await using upstream = await ScriptedUpstream.start(json(200, { data: [], text: "x" }));
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const accept = async (path: string, body: Record<string, unknown>) => {
    await statusOf(call(gateway, "POST", path, { model: "m", ...body }));
    return upstream.requests.at(-1)?.header("accept");
  };
  assert.equal(await accept("/embeddings", {}), "application/json");
  assert.equal(await accept("/audio/speech", {}), "*/*");
  assert.equal(await accept("/audio/transcriptions", {}), "*/*");
  assert.equal(await accept("/images/generations", { stream: true }), "text/event-stream");
});

Deno.test("a path or method that does not exist is 404 or 405 in OpenAI's shape, at once, and nobody is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  const cases: [string, string, number, string?][] = [
    ["GET", "/v1/chat/completions", 405, "POST"],
    ["PUT", "/openai/v1/embeddings", 405, "POST"],
    ["GET", "/v1/audio/speech/", 405, "POST"],
    ["POST", "/v1/models", 405, "GET, HEAD"],
    ["POST", "/v1/responses/resp_1", 405, "GET, DELETE"],
    ["HEAD", "/v1/responses/resp_1", 405, "GET, DELETE"],
    ["GET", "/v1/responses/resp_1/cancel", 405, "POST"],
    ["DELETE", "/v1/responses/resp_1/input_items", 405, "GET"],
    ["HEAD", "/v1/responses", 405, "POST"],
    ["GET", "/v1", 404],
    ["HEAD", "/v1/nothing", 404],
    ["POST", "/openai/v1/files", 404],
    ["GET", "/v1/responses/resp_1/other", 404],
    ["POST", "//v1//fine_tuning//jobs/", 404],
  ];
  for (const [method, path, status, allow] of cases) {
    const response = await fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}` },
      signal: AbortSignal.timeout(5_000),
    });
    const where = `${method} ${path}`;
    assert.equal(response.status, status, where);
    assert.equal(response.headers.get("content-type"), "application/json", where);
    assert.equal(response.headers.get("allow"), allow ?? null, where);
    const text = await response.text();
    if (method === "HEAD") assert.equal(text, "", where);
    else {
      const { error } = JSON.parse(text);
      assert.deepEqual([error.type, error.code], [
        "invalid_request_error",
        status === 404 ? "route_not_found" : "method_not_allowed",
      ], where);
    }
  }
  // Some clients look whether anybody is there.
  assert.equal(await (await fetch(gateway.url, { method: "HEAD" })).text(), "");
  assert.equal(upstream.requests.length, 0);
});

Deno.test("a doubled slash, or one at the end, makes no other route", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using responses = await ScriptedUpstream.start(okResponse());
  await using gateway = await TestGateway.start();
  await gateway.serveModel({ providers: [upstream.url] });
  await gateway.serveModel({ name: "org//name/", providers: [responsesProvider(responses.url)] });
  const post = (path: string, model: string) =>
    statusOf(fetch(gateway.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ model, messages: [], input: "x" }),
    }));
  for (const path of ["/v1/chat/completions/", "//v1/chat/completions", "/openai//v1//chat/completions"]) {
    assert.equal(await post(path, "m"), 200, path);
  }
  assert.equal(await post("/v1//responses/?x=1", "org//name/"), 200);
  assert.deepEqual(new Set(upstream.requests.map(({ target }) => target)), new Set(["/v1/chat/completions"]));
  assert.equal(responses.requests[0]?.target, "/v1/responses?x=1");
  const named = await call(gateway, "GET", "/models/org//name/");
  assert.equal((await named.json()).id, "org//name/");
});
