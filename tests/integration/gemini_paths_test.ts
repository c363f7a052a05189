import assert from "node:assert/strict";
import { GEMINI_ANSWER, geminiError, okGemini, okGeminiSse } from "../upstream/gemini_fixtures.ts";
import { answer, json, reset } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { CONTENTS, postGemini, rankedGemini, sendRaw, serveGemini } from "./gemini_client.ts";
import { TestGateway, TOKEN } from "./test_gateway.ts";

const ACTION = ":generateContent";

Deno.test("gemini path: any name of a model works, on every prefix, up to the last colon and decoded once", async () => {
  const names: [string, string[]][] = [
    ["gemini-x", [
      "models/gemini-x",
      "models%2Fgemini-x",
      "models/models%2Fgemini-x",
      "models/models/gemini-x",
    ]],
    ["org/model", ["models/org/model", "models/org%2Fmodel", "org/model"]],
    ["m:free", ["models/m:free", "models/m%3Afree"]],
    ["[tag]name", ["models/[tag]name", "models/%5Btag%5Dname"]],
    ["北京 🌍", [`models/${encodeURIComponent("北京 🌍")}`]],
    ["50%25", ["models/50%2525"]],
    ["models/copied", ["models/copied", "models/models/copied"]],
    ["tunedModels/mine", ["tunedModels/mine", "models/tunedModels/mine"]],
    ["..", ["models/..", "models/%2e%2e"]],
  ];
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  for (const [name] of names) await serveGemini(gateway, [upstream.url], { name });
  for (const [name, spellings] of names) {
    for (const prefix of ["/v1beta", "/gemini/v1beta", "/gemini/v1", "/v1"]) {
      for (const spelling of spellings) {
        // Under `/v1`, which other protocols share, only `models/` is Gemini's.
        if (prefix === "/v1" && !spelling.startsWith("models/")) continue;
        const { status } = await sendRaw(gateway, `${prefix}/${spelling}${ACTION}`);
        assert.equal(status, 200, `${name}: ${prefix}/${spelling}`);
      }
    }
    const rows = await gateway.logs(upstream.requests.length);
    assert.equal(rows.at(-1)?.Name, name);
  }
  const encoded = await sendRaw(gateway, "/v1beta/models/org%2Fmodel%3AgenerateContent");
  assert.equal(encoded.status, 200);
});

Deno.test("gemini path: a provider's name of a model stays one segment, whatever it holds", async () => {
  const names: [string, string][] = [
    ["gemini-2.5-pro", "models/gemini-2.5-pro"],
    ["models/gemini-2.5-pro", "models/gemini-2.5-pro"],
    ["tunedModels/mine", "tunedModels/mine"],
    ["../../files", "models/..%2F..%2Ffiles"],
    ["..", "models/.."],
    ["a?key=1#x:y", "models/a%3Fkey%3D1%23x%3Ay"],
    ["%2e%2e/ü", "models/%252e%252e%2F%C3%BC"],
  ];
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  for (const [index, [provider_name]] of names.entries()) {
    await serveGemini(gateway, [{ url: upstream.url, association: { provider_name } }], {
      name: `m${index}`,
    });
    const response = await postGemini(gateway, `/v1beta/models/m${index}${ACTION}`);
    assert.equal(response.status, 200);
    await response.body?.cancel();
  }
  assert.deepEqual(
    upstream.requests.map((request) => request.target),
    names.map(([, path]) => `/v1beta/${path}${ACTION}`),
  );
});

Deno.test("gemini path: a name that walks the path is an unknown model, and nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await rankedGemini([upstream]);
  const names = [
    "../../files",
    "..%2F..%2Ffiles",
    "%2e%2e/%2E%2E/files",
    "..\\..\\files",
    "x?key=1",
    "x%3Fkey=1",
    "x#frag",
    "x%23frag",
    "x%00",
    "m%00",
    "http://evil/",
    "x:generateContent/../../cachedContents",
    "%zz",
    "%ff",
    "x".repeat(5000),
  ];
  for (const prefix of ["/v1beta/models/", "/gemini/v1beta/models/", "/v1/models/"]) {
    for (const name of names) {
      const { status, text } = await sendRaw(gateway, `${prefix}${name}${ACTION}`);
      // Cut at its `?` or `#` a path calls nothing, and OpenAI's route of a model's name cannot be posted to.
      assert.equal(status, prefix === "/v1/models/" && /^x[?#]/.test(name) ? 405 : 404, prefix + name);
      assert.match(text, /"message":/);
    }
  }
  assert.equal(upstream.connections.length, 0);
});

Deno.test("gemini path: an unknown model is 404 in Google's words, and in the log", async () => {
  await using gateway = await TestGateway.start();
  const response = await postGemini(gateway, `/v1beta/models/nobody${ACTION}`);
  assert.equal(response.status, 404);
  const { error, code, message, trace_id } = await response.json();
  assert.deepEqual([error.code, error.status, error.details[0].reason], [
    404,
    "NOT_FOUND",
    "MODEL_NOT_FOUND",
  ]);
  assert.deepEqual([code, message, typeof trace_id], [404, error.message, "string"]);
  assert.equal((await gateway.logs(1))[0]?.Name, "nobody");
});

Deno.test("gemini path: what does not exist is 404 or 405 in Google's words, and nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await rankedGemini([upstream]);
  const cases: [string, string, number, string?][] = [
    ["POST", "/v1beta/models/m:batchGenerateContent", 404],
    ["POST", "/gemini/v1beta/models/m:", 404],
    ["POST", "/v1/models/m:predict", 404],
    ["POST", `/v1beta/models/${ACTION}`, 400],
    ["GET", "/v1beta/files", 404],
    ["POST", "/gemini/v1beta/cachedContents", 404],
    ["GET", "/gemini", 404],
    ["GET", "/gemini/v2/models", 404],
    ["GET", "/v1beta", 404],
    ["GET", "/v1beta/models/nobody", 404],
    ["DELETE", "/v1beta/models/nobody", 404],
    ["GET", `/v1beta/models/m${ACTION}`, 405, "POST"],
    ["PUT", `/gemini/v1/models/m${ACTION}`, 405, "POST"],
    ["GET", `/v1beta/tunedModels/t${ACTION}`, 405, "POST"],
    ["POST", "/v1beta/models", 405, "GET, HEAD"],
    ["DELETE", "/v1beta/models/m", 405, "GET, HEAD"],
  ];
  for (const [method, path, status, allow = null] of cases) {
    const response = await fetch(gateway.url + path, { method, headers: { "x-goog-api-key": TOKEN } });
    assert.deepEqual([response.status, response.headers.get("allow")], [status, allow], `${method} ${path}`);
    const { error, code, message } = await response.json();
    assert.deepEqual([error.code, code, error.message], [status, status, message]);
  }
  assert.equal(upstream.connections.length, 0);
});

Deno.test("gemini credential: header, key in the query or Bearer; without one nobody upstream is asked", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await rankedGemini([upstream]);
  const path = `/v1beta/models/m${ACTION}`;
  const good: [string, string[]][] = [
    [path, [`x-goog-api-key: ${TOKEN}`]],
    [path, [`X-Goog-Api-Key: ${TOKEN}`, "Authorization: Bearer other"]],
    [`${path}?key=${TOKEN}`, []],
    [`${path}?a=1&k%65y=${encodeURIComponent(TOKEN)}`, ["x-goog-api-key:"]],
    [path, [`Authorization: Bearer ${TOKEN}`]],
    [`${path}?key=`, [`Authorization: Bearer ${TOKEN}`]],
  ];
  for (const [target, headers] of good) {
    assert.equal((await sendRaw(gateway, target, headers)).status, 200, target);
  }
  const bad: [string, string[]][] = [
    [path, []],
    [path, ["x-goog-api-key: wrong"]],
    [path, ["x-goog-api-key: wrong", `Authorization: Bearer ${TOKEN}`]],
    [`${path}?key=wrong`, []],
    [`${path}?key=`, []],
    [path, ["Authorization: Bearer "]],
    ["/v1beta/models", []],
    ["/v1beta/models/m", []],
  ];
  for (const [target, headers] of bad) {
    const { status, text } = await sendRaw(gateway, target, headers);
    assert.equal(status, 401, `${target} ${headers}`);
    assert.match(text, /"status":"UNAUTHENTICATED"/);
  }
  assert.equal(upstream.requests.length, good.length);
});

Deno.test("gemini credential: the caller's never reaches the vendor, the rest of the query does, untouched", async () => {
  await using upstream = await ScriptedUpstream.start(okGemini());
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [{ url: upstream.url, association: { with_header: true } }]);
  await serveGemini(gateway, [{ url: upstream.url, key: "", association: { with_header: true } }], {
    name: "keyless",
  });
  const headers = [
    `x-goog-api-key: ${TOKEN}`,
    `x-api-key: ${TOKEN}`,
    `Authorization: Bearer ${TOKEN}`,
    `Cookie: session=${TOKEN}`,
    "x-goog-api-client: google-genai-sdk/9",
  ];
  for (const name of ["m", "keyless"]) {
    const target = `/v1beta/models/${name}${ACTION}?a=%2f+b&key=${TOKEN}&KEY=kept&alt=json&k%65y=${TOKEN}`;
    assert.equal((await sendRaw(gateway, target, headers)).status, 200);
  }
  for (const connection of upstream.connections) {
    assert.ok(!new TextDecoder().decode(connection.bytes()).includes(TOKEN));
  }
  const [keyed, keyless] = upstream.requests;
  assert.match(keyed?.target ?? "", /:generateContent\?a=%2f\+b&KEY=kept&alt=json$/);
  assert.equal(keyed?.header("x-goog-api-key"), "sk-upstream-1-secret");
  assert.equal(keyed?.header("x-goog-api-client"), "google-genai-sdk/9");
  assert.equal(keyless?.header("x-goog-api-key"), undefined);
});

Deno.test("gemini key: it goes as a header, and shows in no answer and no row, however a call fails", async () => {
  const key = "AIza-canary-77f3c1d9e2b4a6f8";
  await using upstream = await ScriptedUpstream.start();
  const echo = `call to ${upstream.url}/v1beta/models/x?key=${key} with ${key} failed`;
  upstream.enqueue(
    geminiError(400, "INVALID_ARGUMENT", echo),
    geminiError(500, "INTERNAL", echo),
    json(200, { error: { code: 500, message: echo } }),
    answer(302, echo, { location: `${upstream.url}/again?key=${key}` }),
    [reset],
  );
  await using gateway = await TestGateway.start();
  const dead = await ScriptedUpstream.start();
  const refusing = dead.url;
  await dead.stop();
  const urls = [
    ...Array<string>(5).fill(upstream.url),
    refusing,
    "http://name.invalid",
  ];
  for (const [index, url] of urls.entries()) {
    const name = `m${index}`;
    await serveGemini(gateway, [{ url, key, name: `p${index}` }], { name, model: { max_retry: 1 } });
    const response = await postGemini(gateway, `/v1beta/models/${name}${ACTION}`);
    assert.ok(response.status >= 400, String(response.status));
    const told = `${await response.text()} ${JSON.stringify([...response.headers])}`;
    assert.ok(!told.includes("canary"), told);
  }
  const rows = JSON.stringify(await gateway.logs(urls.length));
  assert.ok(!rows.includes("canary"), rows);
  const targets = upstream.requests.map((request) => request.target).join(" ");
  assert.ok(!targets.includes(key) && !targets.includes("again"), targets);
  assert.equal(upstream.requests[0]?.header("x-goog-api-key"), key);
});

Deno.test("gemini base URL: every workable spelling leads to the one path", async () => {
  await using upstream = await ScriptedUpstream.start(okGeminiSse());
  const spellings: [string, string][] = [
    ["", "/v1beta/"],
    ["/", "/v1beta/"],
    ["/v1beta", "/v1beta/"],
    ["/v1beta/", "/v1beta/"],
    ["/v1beta/models/x:generateContent", "/v1beta/"],
    ["/v1", "/v1/"],
    ["/relay/v1beta", "/relay/v1beta/"],
  ];
  await using gateway = await TestGateway.start();
  for (const [index, [spelling, base]] of spellings.entries()) {
    const provider = { url: ` ${upstream.url}${spelling} `, association: { provider_name: "up" } };
    await serveGemini(gateway, [provider], { name: `m${index}` });
    const path = `/v1beta/models/m${index}:streamGenerateContent?alt=sse`;
    await (await postGemini(gateway, path)).body?.cancel();
    assert.equal(upstream.requests.at(-1)?.target, `${base}models/up:streamGenerateContent?alt=sse`);
  }
});

Deno.test("gemini models: those that a Gemini provider serves are listed and found, on both bases", async () => {
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, ["http://127.0.0.1:59999"], { name: "org/model:free" });
  await serveGemini(gateway, [{ url: "http://127.0.0.1:59999", association: { status: false } }], {
    name: "models/off",
  });
  await gateway.serveModel({ name: "of-openai", providers: ["http://127.0.0.1:59999"] });
  await gateway.admin("POST", "/models", { name: "without-provider" });
  const get = (path: string, method = "GET") =>
    fetch(gateway.url + path, { method, headers: { "x-goog-api-key": TOKEN } });
  const model = (name: string) => ({
    name: `models/${name}`,
    displayName: name,
    supportedGenerationMethods: ["generateContent", "streamGenerateContent"],
  });
  for (const base of ["/v1beta", "/gemini/v1beta", "/gemini/v1"]) {
    const list = await get(`${base}/models?pageSize=1`);
    assert.deepEqual(await list.json(), { models: [model("org/model:free"), model("models/off")] });
    for (const path of ["org/model:free", "org%2Fmodel%3Afree", "models/org/model:free"]) {
      assert.deepEqual(await (await get(`${base}/models/${path}`)).json(), model("org/model:free"));
    }
    assert.deepEqual(await (await get(`${base}/models/off`)).json(), model("models/off"));
    const missing = await get(`${base}/models/of-openai`);
    assert.deepEqual([missing.status, (await missing.json()).error.status], [404, "NOT_FOUND"]);
    const head = await get(`${base}/models`, "HEAD");
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  }
  // The list under `/v1` is OpenAI's.
  const openai = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal((await openai.json()).object, "list");
});

Deno.test("gemini side operations: tokens are counted and texts embedded by the model's provider, under its own name", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    json(
      200,
      request.target.includes("count") ? { totalTokens: 3 } : { usageMetadata: { promptTokenCount: 3 } },
    )
  );
  await using gateway = await TestGateway.start();
  await serveGemini(gateway, [{ url: upstream.url, association: { provider_name: "models/up" } }], {
    name: "pub",
  });
  const content = `"content" : {"parts":[{"text":"\\u00e9"}]}`;
  const cases: [string, string, string][] = [
    ["countTokens", `{"contents":[ ],"model":"models/pub"}`, `{"contents":[ ],"model":"models/pub"}`],
    [
      "countTokens",
      `{"generateContentRequest":{ "model":"models/pub","n":1.0}}`,
      `{"generateContentRequest":{ "model":"models/up","n":1.0}}`,
    ],
    ["embedContent", `{"model":"models/pub",${content}}`, `{"model":"models/up",${content}}`],
    ["embedContent", `{${content}}`, `{${content}}`],
    ["embedContent", `{"model":7,${content}}`, `{"model":7,${content}}`],
    [
      "batchEmbedContents",
      `{"requests":[{"model":"models/pub",${content}}, {"model":"models/other"}, {${content}, "model" : "pub"},7]}`,
      `{"requests":[{"model":"models/up",${content}}, {"model":"models/other"}, {${content}, "model" : "models/up"},7]}`,
    ],
  ];
  for (const [action, sent, expected] of cases) {
    const response = await postGemini(gateway, `/v1beta/models/pub:${action}`, sent);
    assert.equal(response.status, 200, sent);
    await response.body?.cancel();
    const request = upstream.requests.at(-1);
    assert.deepEqual([request?.target, request?.text], [`/v1beta/models/up:${action}`, expected]);
  }
  const rows = await gateway.logs(cases.length);
  assert.deepEqual([rows[0]?.UsageSource, rows.at(-1)?.prompt_tokens], ["unknown", 3]);
});

Deno.test("gemini side operations: a provider that has none hurts nobody", async () => {
  await using upstream = await ScriptedUpstream.start((request) =>
    request.target.endsWith(ACTION) ? okGemini() : geminiError(404, "NOT_FOUND", "models/up is not found")
  );
  await using gateway = await rankedGemini([upstream]);
  for (let i = 0; i < 6; i++) {
    const response = await postGemini(gateway, "/v1beta/models/m:countTokens", CONTENTS);
    assert.deepEqual([response.status, (await response.json()).error.status], [404, "NOT_FOUND"]);
  }
  assert.deepEqual(await (await postGemini(gateway)).json(), GEMINI_ANSWER);
});
