/** Rules of `/api/models`. @module */
import assert from "node:assert/strict";
import { type Admin, startAdmin } from "./harness.ts";

async function addModels(admin: Admin, ...names: string[]): Promise<void> {
  for (const name of names) await admin.call("POST", "/models", { name });
}

function names(rows: { Name: string }[]): string[] {
  return rows.map(({ Name }) => Name);
}

Deno.test("POST /api/models answers llmio's row, in llmio's order, with the web UI's defaults", async () => {
  await using admin = await startAdmin();
  const { status, data } = await admin.call("POST", "/models", { name: " gpt-4o " });
  assert.equal(status, 200);
  const { CreatedAt: _c, UpdatedAt: _u, ...rest } = data;
  assert.deepEqual(Object.entries(rest), [
    ["ID", 1],
    ["DeletedAt", null],
    ["Name", "gpt-4o"],
    ["Remark", ""],
    ["MaxRetry", 10],
    ["TimeOut", 60],
    ["Strategy", "lottery"],
    ["Breaker", false],
    ["DisplayOrder", 1],
    ["FirstTokenTimeout", 0],
  ]);
  assert.deepEqual(Object.keys(data).slice(0, 4), ["ID", "CreatedAt", "UpdatedAt", "DeletedAt"]);
  assert.equal(admin.reloads(), 1);
});

Deno.test("POST /api/models takes every field", async () => {
  await using admin = await startAdmin();
  const body = {
    name: "模型/x:y",
    remark: "note",
    max_retry: 1,
    time_out: 0,
    strategy: "rotor",
    breaker: true,
  };
  const { data } = await admin.call("POST", "/models", body);
  assert.deepEqual(
    [data.Name, data.Remark, data.MaxRetry, data.TimeOut, data.Strategy, data.Breaker],
    Object.values(body),
  );
});

Deno.test("POST /api/models takes every strategy", async () => {
  await using admin = await startAdmin();
  for (
    const strategy of ["lottery", "rotor", "round_robin", "least_used", "least_busy", "fastest", "sticky"]
  ) {
    assert.equal((await admin.call("POST", "/models", { name: strategy, strategy })).data.Strategy, strategy);
  }
});

Deno.test("POST /api/models takes an empty strategy for lottery", async () => {
  await using admin = await startAdmin();
  assert.equal((await admin.call("POST", "/models", { name: "m", strategy: "" })).data.Strategy, "lottery");
  assert.equal((await admin.call("POST", "/models", { name: "n", strategy: null })).data.Strategy, "lottery");
});

const REFUSED: readonly [rule: string, change: Record<string, unknown>, message: RegExp][] = [
  ["no name", { name: undefined }, /name is required/],
  ["an empty name", { name: " " }, /name must not be empty/],
  ["a long name", { name: "x".repeat(256) }, /name must not be longer than 255/],
  ["a line break in the name", { name: "a\nb" }, /name must not contain control characters/],
  ["a remark that is no text", { remark: 1 }, /remark must be a string/],
  ["a text for max_retry", { max_retry: "3" }, /max_retry must be a whole number from 1 to 1000/],
  ["max_retry 0", { max_retry: 0 }, /max_retry must be a whole number from 1 to 1000/],
  ["a negative max_retry", { max_retry: -1 }, /max_retry must be/],
  ["half a retry", { max_retry: 1.5 }, /max_retry must be/],
  ["null for max_retry", { max_retry: null }, /max_retry must be/],
  ["a negative time_out", { time_out: -1 }, /time_out must be a whole number from 0 to 86400/],
  ["an endless time_out", { time_out: 1e9 }, /time_out must be/],
  ["an unknown strategy", { strategy: "best" }, /strategy must be one of lottery, rotor, round_robin/],
  ["a breaker that is no boolean", { breaker: 1 }, /breaker must be true or false/],
];

Deno.test("POST and PUT /api/models refuse, and change nothing, for", async (t) => {
  await using admin = await startAdmin();
  await addModels(admin, "first");
  const before = await admin.store.models.list();
  for (const [rule, change, message] of REFUSED) {
    await t.step(rule, async () => {
      const answers = [await admin.call("POST", "/models", { name: "m", ...change })];
      // A field that is left out of a PUT keeps its value.
      if (!Object.values(change).includes(undefined)) {
        answers.push(await admin.call("PUT", "/models/1", change));
      }
      for (const answer of answers) {
        assert.deepEqual([answer.status, answer.code], [400, 400]);
        assert.match(answer.message, message);
      }
      assert.deepEqual(await admin.store.models.list(), before);
    });
  }
});

Deno.test("POST and PUT /api/models answer 409 with the name that is taken", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b");
  const posted = await admin.call("POST", "/models", { name: "a" });
  assert.equal(posted.text, '{"code":409,"message":"Model: a already exists"}');
  const put = await admin.call("PUT", "/models/2", { name: "a" });
  assert.deepEqual([put.status, put.message], [409, "Model: a already exists"]);
});

Deno.test("GET /api/models without a parameter is the fork's array, oldest first", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b", "c");
  assert.deepEqual(names((await admin.call("GET", "/models")).data), ["a", "b", "c"]);
  assert.deepEqual(names((await admin.call("GET", "/models?other=1")).data), ["a", "b", "c"]);
});

Deno.test("GET /api/models with any of its parameters is upstream's page, newest first", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b", "c");
  for (const query of ["page=1", "page_size=20", "search=", "strategy="]) {
    const { data } = await admin.call("GET", `/models?${query}`);
    assert.deepEqual(Object.keys(data), ["data", "total", "page", "page_size", "pages"]);
    assert.deepEqual(names(data.data), ["c", "b", "a"]);
    assert.deepEqual([data.total, data.page, data.page_size, data.pages], [3, 1, 20, 1], query);
  }
});

Deno.test("GET /api/models pages, searches and filters", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "gpt-a", "gpt-b", "claude");
  await admin.call("PUT", "/models/1", { strategy: "rotor" });
  const page = async (query: string) => {
    const { data } = await admin.call("GET", `/models?${query}`);
    return [names(data.data), data.total, data.pages];
  };
  assert.deepEqual(await page("page=2&page_size=2"), [["gpt-a"], 3, 2]);
  assert.deepEqual(await page("page=9&page_size=2"), [[], 3, 2], "past the end: empty, with the real total");
  assert.deepEqual(await page("search=%20GPT%20"), [["gpt-b", "gpt-a"], 2, 1]);
  assert.deepEqual(await page("strategy=rotor"), [["gpt-a"], 1, 1]);
  assert.deepEqual(await page("search=nothing"), [[], 0, 0]);
});

Deno.test("GET /api/models refuses bad parameters with llmio's words", async () => {
  await using admin = await startAdmin();
  const cases: [string, string][] = [
    ...["0", "-1", "x", "1.5", "", "1e3", "٣"].map((value): [string, string] => [
      `page=${encodeURIComponent(value)}`,
      "invalid page parameter",
    ]),
    ...["0", "101", "x", ""].map((value): [string, string] => [
      `page_size=${value}`,
      "invalid page_size parameter (1-100)",
    ]),
    ["strategy=best", "invalid strategy filter"],
  ];
  for (const [query, message] of cases) {
    const answer = await admin.call("GET", `/models?${query}`);
    assert.deepEqual([answer.status, answer.code, answer.message], [400, 400, message], query);
  }
});

Deno.test("GET /api/models/select is an array, newest first", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b");
  assert.deepEqual(names((await admin.call("GET", "/models/select")).data), ["b", "a"]);
});

Deno.test("PUT /api/models/:id changes what is sent, clears what is empty and keeps what is left out", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", {
    name: "m",
    remark: "note",
    max_retry: 3,
    time_out: 5,
    strategy: "rotor",
  });
  const { data } = await admin.call("PUT", "/models/1", { remark: "", time_out: 0 });
  assert.deepEqual(
    [data.Name, data.Remark, data.MaxRetry, data.TimeOut, data.Strategy],
    ["m", "", 3, 0, "rotor"],
  );
});

Deno.test("PUT /api/models/:id takes a row back as it was read, odd values of older programs included", async () => {
  await using admin = await startAdmin();
  await admin.store.models.create({
    name: "old",
    remark: "",
    maxRetry: 0,
    timeOutSeconds: 100_000,
    firstTokenTimeoutSeconds: 0,
    strategy: "mystery",
    breaker: false,
  });
  const before = await admin.store.models.get(1);
  const { data: [row] } = await admin.call("GET", "/models");
  assert.equal((await admin.call("PUT", "/models/1", row)).status, 200);
  assert.deepEqual(await admin.store.models.get(1), before);
  const renamed = await admin.call("PUT", "/models/1", { ...row, Name: "renamed" });
  assert.deepEqual([renamed.data.Name, renamed.data.MaxRetry, renamed.data.Strategy], [
    "renamed",
    0,
    "mystery",
  ]);
});

Deno.test("PATCH /api/models/order shows the first one first", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b", "c");
  const answer = await admin.call("PATCH", "/models/order", { model_ids: [3, 1, 2] });
  assert.equal(answer.text, '{"code":200,"message":"success","data":{"updated":3}}');
  const { data } = await admin.call("GET", "/models");
  assert.deepEqual(data.map((row: { DisplayOrder: number }) => row.DisplayOrder), [2, 1, 3]);
});

Deno.test("PATCH /api/models/order refuses bad orders with llmio's words and changes nothing", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a", "b");
  const before = (await admin.call("GET", "/models")).data;
  const cases: [unknown, string][] = [
    [{}, "model_ids cannot be empty"],
    [{ model_ids: [] }, "model_ids cannot be empty"],
    [{ model_ids: [1, 0] }, "model_ids contains invalid value 0"],
    [{ model_ids: [2, 1, 2] }, "duplicated model_id: 2"],
    [{ model_ids: [2, 1, 9] }, "model_ids contains non-existing model"],
    [{ model_ids: ["1"] }, "Invalid request body: model_ids.0 must be an array of whole numbers"],
    [{ model_ids: 1 }, "Invalid request body: model_ids must be an array of whole numbers"],
  ];
  for (const [body, message] of cases) {
    const answer = await admin.call("PATCH", "/models/order", body);
    assert.deepEqual([answer.status, answer.message], [400, message]);
  }
  assert.deepEqual((await admin.call("GET", "/models")).data, before);
});

Deno.test("DELETE /api/models/:id removes the model and answers no data; an unknown one is a 404", async () => {
  await using admin = await startAdmin();
  await addModels(admin, "a");
  assert.equal((await admin.call("DELETE", "/models/1")).text, '{"code":200,"message":"success"}');
  for (const [method, body] of [["DELETE", undefined], ["PUT", { name: "b" }]] as const) {
    const answer = await admin.call(method, "/models/1", body);
    assert.deepEqual([answer.status, answer.message], [404, "Model not found"]);
  }
  assert.equal((await admin.call("POST", "/models", { name: "a" })).status, 200, "the name is free again");
});
