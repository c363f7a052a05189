/** Rules of `/api/model-providers`. @module */
import assert from "node:assert/strict";
import { log } from "../store/fixtures.ts";
import { type Admin, seed, startAdmin } from "./harness.ts";

async function stored(admin: Admin, id: number): Promise<unknown> {
  return await admin.store.associations.get(id);
}

Deno.test("POST /api/model-providers answers llmio's row, in llmio's order", async () => {
  await using admin = await startAdmin();
  const { modelId, providerId } = await seed(admin);
  const { status, data } = await admin.call("POST", "/model-providers", {
    model_id: modelId,
    provider_name: "gpt-4o-2024-08-06",
    provider_id: providerId,
    tool_call: true,
    structured_output: true,
    image: true,
    with_header: false,
    customer_headers: { "X-Team": "a" },
    extra_body: { service_tier: "flex" },
    weight: 5,
    input_price: 2.5,
    cache_read_price: 1.25,
    output_price: 10,
    currency: "USD",
  });
  assert.equal(status, 200);
  const { CreatedAt: _c, UpdatedAt: _u, ...rest } = data;
  assert.deepEqual(Object.entries(rest), [
    ["ID", 2],
    ["DeletedAt", null],
    ["ModelID", modelId],
    ["ProviderModel", "gpt-4o-2024-08-06"],
    ["ProviderID", providerId],
    ["ToolCall", true],
    ["StructuredOutput", true],
    ["Image", true],
    ["WithHeader", false],
    ["Status", true],
    ["CustomerHeaders", { "X-Team": "a" }],
    ["ExtraBody", { service_tier: "flex" }],
    ["Weight", 5],
    ["InputPrice", 2.5],
    ["CacheReadPrice", 1.25],
    ["OutputPrice", 10],
    ["Currency", "USD"],
  ]);
});

Deno.test("POST /api/model-providers has a default for all but the model, the provider and the name", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  const { id: _id, createdAt: _c, updatedAt: _u, ...row } = await admin.store.associations.get(id) ?? {};
  assert.deepEqual(row, {
    modelId: 1,
    providerId: 1,
    providerModel: "gpt-4o-2024-08-06",
    toolCall: false,
    structuredOutput: false,
    image: false,
    withHeader: false,
    status: true,
    customerHeaders: {},
    extraBody: {},
    weight: 1,
    inputPrice: 0,
    cacheReadPrice: 0,
    outputPrice: 0,
    currency: "CNY",
  });
});

Deno.test("POST /api/model-providers takes null as llmio does, and can create a row that is switched off", async () => {
  await using admin = await startAdmin();
  await seed(admin);
  const nothing = {
    tool_call: null,
    customer_headers: null,
    extra_body: null,
    input_price: null,
    currency: null,
  };
  const body = { model_id: 1, provider_id: 1, provider_model: "m", status: false, ...nothing };
  const { data } = await admin.call("POST", "/model-providers", body);
  assert.deepEqual(
    [
      data.ProviderModel,
      data.ToolCall,
      data.CustomerHeaders,
      data.ExtraBody,
      data.InputPrice,
      data.Currency,
      data.Status,
    ],
    ["m", false, {}, {}, 0, "", false],
  );
});

Deno.test("POST and PUT /api/model-providers take whole weights from 0 on", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  for (const weight of [7, 1, 0, 1_000_000]) {
    const body = { model_id: 1, provider_id: 1, provider_name: "m", weight };
    assert.equal((await admin.call("POST", "/model-providers", body)).data.Weight, weight);
    assert.equal((await admin.call("PUT", `/model-providers/${id}`, { weight })).data.Weight, weight);
  }
});

/** Headers that the gateway sets itself. */
const OWN_HEADERS = [
  ...["Connection", "host", "Content-Length", "transfer-encoding", "TE", "Upgrade", "Accept-Encoding"],
];

const REFUSED: readonly [rule: string, change: Record<string, unknown>, message: RegExp][] = [
  ...[-1, 0.5, 1.5, 1e308, 1_000_001, "3", "", null, true, []].map((
    weight,
  ): [string, Record<string, unknown>, RegExp] => [
    `the weight ${JSON.stringify(weight)}`,
    { weight },
    /weight must be a whole number from 0 to 1000000/,
  ]),
  ...OWN_HEADERS.map((name): [string, Record<string, unknown>, RegExp] => [
    `the header ${name}`,
    { customer_headers: { [name]: "x" } },
    new RegExp(`customer_headers must not set ${name}`),
  ]),
  ["no model", { model_id: undefined }, /model_id is required/],
  ["no provider", { provider_id: undefined }, /provider_id is required/],
  ["no upstream name", { provider_name: undefined }, /provider_name is required/],
  ["model id 0", { model_id: 0 }, /model_id must be the id of an existing row/],
  ["a text for an id", { provider_id: "1" }, /provider_id must be the id/],
  ["an empty upstream name", { provider_name: " " }, /provider_name must not be empty/],
  [
    "a control character in the upstream name",
    { provider_name: "a\r\nb" },
    /provider_name must not contain control/,
  ],
  ["a flag that is no boolean", { image: "true" }, /image must be true or false/],
  ["a negative price", { input_price: -0.1 }, /input_price must be a number, 0 or greater/],
  ["a text for a price", { output_price: "1" }, /output_price must be a number/],
  ["an unknown currency", { currency: "usd" }, /currency must be CNY or USD/],
  ["headers that are no object", { customer_headers: [] }, /customer_headers must be an object of strings/],
  ["a header that is no text", { customer_headers: { a: 1 } }, /customer_headers\.a must be a string/],
  [
    "a header name with a blank",
    { customer_headers: { "a b": "c" } },
    /customer_headers has an invalid header name "a b"/,
  ],
  ["an empty header name", { customer_headers: { "": "c" } }, /invalid header name ""/],
  ["a line break in a header", { customer_headers: { a: "b\r\nc: d" } }, /a value for a that cannot be sent/],
  ["a header that is not Latin-1", { customer_headers: { a: "€" } }, /a value for a that cannot be sent/],
  ["a header twice", { customer_headers: { "X-A": "1", "x-a": "2" } }, /has x-a twice/],
  [
    "a masked header of nothing",
    { customer_headers: { authorization: "****" } },
    /customer_headers\.authorization is a mask/,
  ],
  ["a body that is no object", { extra_body: [] }, /extra_body must be an object/],
  ["a text for a body", { extra_body: "x" }, /extra_body must be an object/],
  ["an empty path", { extra_body: { "": 1 } }, /extra_body has an empty key/],
  [
    "a forced model",
    { extra_body: { model: "x" } },
    /extra_body must not set model: the upstream model is set by provider_name/,
  ],
  ["a forced model by path", { extra_body: { "model.x": 1 } }, /must not set model/],
  ["a forced model by escapes", { extra_body: { "m\\odel": 1 } }, /must not set model/],
  ["a forced stream", { extra_body: { stream: true } }, /must not set stream: whether an answer is streamed/],
  [
    "endless nesting",
    { extra_body: { a: JSON.parse("[".repeat(40) + "]".repeat(40)) } },
    /nested deeper than 32/,
  ],
  ["a status that is no boolean", { status: 1 }, /status must be true or false/],
];

Deno.test("POST and PUT /api/model-providers refuse, and change nothing, for", async (t) => {
  await using admin = await startAdmin();
  const { id, modelId } = await seed(admin);
  const before = await admin.store.associations.ofModel(modelId);
  for (const [rule, change, message] of REFUSED) {
    await t.step(rule, async () => {
      const body = { model_id: 1, provider_id: 1, provider_name: "m", ...change };
      const answers = [await admin.call("POST", "/model-providers", body)];
      // A field that is left out of a PUT keeps its value.
      const isLeftOut = Object.values(change).includes(undefined);
      if (!isLeftOut) answers.push(await admin.call("PUT", `/model-providers/${id}`, change));
      for (const answer of answers) {
        assert.deepEqual([answer.status, answer.code], [400, 400]);
        assert.match(answer.message, message);
      }
      assert.deepEqual(await admin.store.associations.ofModel(modelId), before);
    });
  }
});

Deno.test("extra_body may set stream options and nested fields, and keeps values exactly", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  const extra_body = { "stream_options.x": true, "a.b": [1, { c: null }], "models": "x", temperature: 0.1 };
  const { data } = await admin.call("PUT", `/model-providers/${id}`, { extra_body });
  assert.deepEqual(data.ExtraBody, extra_body);
});

Deno.test("POST and PUT /api/model-providers answer 422 for a model or provider that does not exist", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  const body = { model_id: 1, provider_id: 1, provider_name: "m" };
  for (const change of [{ model_id: 9 }, { provider_id: 9 }]) {
    const [field] = Object.keys(change);
    for (const [method, path] of [["POST", "/model-providers"], ["PUT", `/model-providers/${id}`]] as const) {
      const answer = await admin.call(method, path, { ...body, ...change });
      assert.deepEqual([answer.status, answer.message], [
        422,
        `Invalid request body: ${field} 9 does not exist`,
      ]);
    }
  }
});

Deno.test("GET /api/model-providers lists a model's rows, oldest first, switched-off ones included", async () => {
  await using admin = await startAdmin();
  const { modelId, id } = await seed(admin);
  await admin.call("POST", "/model-providers", {
    model_id: modelId,
    provider_id: 1,
    provider_name: "second",
  });
  await admin.call("PATCH", `/model-providers/${id}/status`, { status: false });
  const { data } = await admin.call("GET", `/model-providers?model_id=${modelId}`);
  assert.deepEqual(data.map((row: { ID: number; Status: boolean }) => [row.ID, row.Status]), [[1, false], [
    2,
    true,
  ]]);
  assert.deepEqual((await admin.call("GET", "/model-providers?model_id=99")).data, []);
});

Deno.test("GET /api/model-providers wants a model id, with llmio's words", async () => {
  await using admin = await startAdmin();
  for (
    const [query, message] of [
      ["", "model_id query parameter is required"],
      ["?model_id=", "model_id query parameter is required"],
      ["?model_id=x", "Invalid model_id format"],
      ["?model_id=-1", "Invalid model_id format"],
    ]
  ) {
    const answer = await admin.call("GET", `/model-providers${query}`);
    assert.deepEqual([answer.status, answer.message], [400, message]);
  }
});

Deno.test("PUT /api/model-providers/:id changes what is sent, zeros and empty values included", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  const full = { weight: 5, input_price: 2, customer_headers: { a: "b" }, extra_body: { c: 1 }, image: true };
  await admin.call("PUT", `/model-providers/${id}`, full);
  const cleared = {
    weight: 0,
    input_price: 0,
    customer_headers: {},
    extra_body: {},
    image: false,
    currency: "",
  };
  const { data } = await admin.call("PUT", `/model-providers/${id}`, cleared);
  assert.deepEqual(
    [data.Weight, data.InputPrice, data.CustomerHeaders, data.ExtraBody, data.Image, data.Currency],
    [0, 0, {}, {}, false, ""],
  );
  assert.deepEqual([data.ProviderModel, data.ModelID, data.Status], ["gpt-4o-2024-08-06", 1, true]);
});

Deno.test("PUT /api/model-providers/:id takes a row back as it was read, and credentials stay", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  const customer_headers = { Authorization: "Bearer canary-0123456789", Cookie: "canary", "X-Team": "a" };
  await admin.call("PUT", `/model-providers/${id}`, { customer_headers });
  const before = await stored(admin, id);
  const { data: [row] } = await admin.call("GET", "/model-providers?model_id=1");
  assert.deepEqual(row.CustomerHeaders, { Authorization: "****6789", Cookie: "****", "X-Team": "a" });
  const same = await admin.call("PUT", `/model-providers/${id}`, row);
  assert.deepEqual([same.status, same.data], [200, row]);
  assert.deepEqual(await stored(admin, id), before);

  const changed = {
    ...row,
    Weight: 9,
    Status: false,
    ProviderModel: "other",
    CustomerHeaders: { ...row.CustomerHeaders, "X-Team": "b" },
  };
  await admin.call("PUT", `/model-providers/${id}`, changed);
  const after = await admin.store.associations.get(id);
  assert.deepEqual([after?.weight, after?.status, after?.providerModel], [9, false, "other"]);
  assert.deepEqual(after?.customerHeaders, { ...customer_headers, "X-Team": "b" });
});

Deno.test("PATCH /api/model-providers/:id/status switches; a missing status is off, as in llmio", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  for (
    const [body, status] of [[{ status: false }, false], [{ status: true }, true], [{}, false], [{
      enabled: true,
    }, true]] as const
  ) {
    const answer = await admin.call("PATCH", `/model-providers/${id}/status`, body);
    assert.deepEqual([answer.status, answer.data.Status], [200, status]);
  }
  assert.equal((await admin.call("PATCH", `/model-providers/${id}/status`, { status: "no" })).status, 400);
});

Deno.test("DELETE /api/model-providers/:id answers no data; an unknown one is a 404", async () => {
  await using admin = await startAdmin();
  const { id } = await seed(admin);
  assert.equal(
    (await admin.call("DELETE", `/model-providers/${id}`)).text,
    '{"code":200,"message":"success"}',
  );
  const calls = [["DELETE", ""], ["PUT", "", {}], ["PATCH", "/status", { status: true }]] as const;
  for (const [method, tail, body] of calls) {
    const answer = await admin.call(method, `/model-providers/${id}${tail}`, body);
    assert.deepEqual([answer.status, answer.message], [404, "Model-provider association not found"]);
  }
});

Deno.test("GET /api/model-providers/status answers the latest ten outcomes, oldest first", async () => {
  await using admin = await startAdmin();
  const { providerId } = await seed(admin);
  const statuses = ["error", "error", ...Array<"success">(8).fill("success"), "error", "running"] as const;
  const inserts = statuses.map((status) => log({ status, providerName: "Acme West" }));
  await admin.store.logs.write({ inserts, updates: [] });
  const query = `provider_id=${providerId}&model_name=gpt-4o&provider_model=gpt-4o-2024-08-06`;
  const { data } = await admin.call("GET", `/model-providers/status?${query}`);
  assert.deepEqual(data, [false, ...Array(8).fill(true), false]);
  assert.deepEqual((await admin.call("GET", `/model-providers/status?${query}x`)).data, []);
});

Deno.test("GET /api/model-providers/status wants all three parameters and a known provider", async () => {
  await using admin = await startAdmin();
  const required = "provider_id, model_name and provider_model query parameters are required";
  for (
    const query of [
      "",
      "?provider_id=1&model_name=a",
      "?provider_id=1&provider_model=a",
      "?provider_id=&model_name=a&provider_model=b",
    ]
  ) {
    const answer = await admin.call("GET", `/model-providers/status${query}`);
    assert.deepEqual([answer.status, answer.message], [400, required], query);
  }
  const malformed = await admin.call(
    "GET",
    "/model-providers/status?provider_id=x&model_name=a&provider_model=b",
  );
  assert.deepEqual([malformed.status, malformed.message], [400, "Invalid provider_id format"]);
  const unknown = await admin.call(
    "GET",
    "/model-providers/status?provider_id=9&model_name=a&provider_model=b",
  );
  assert.deepEqual([unknown.status, unknown.message], [404, "Provider not found"]);
});
