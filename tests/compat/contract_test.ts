/** Every route of the two Go programs is here and answers as the page on the admin API says. @module */
import assert from "node:assert/strict";
import { z } from "zod";
import { templateWorkbook } from "../../src/admin/workbook.ts";
import { closedPort } from "../upstream/closed_port.ts";
import * as answers from "./answers.ts";
import { readRouteTable } from "./route_table.ts";
import { type Envelope, type SeededGateway, startSeeded } from "./seeded_gateway.ts";

/** Calls a route and checks its answer. */
type Check = (seeded: SeededGateway) => Promise<void>;

const counts = (name: string) => z.array(z.object({ [name]: z.string(), calls: z.int() })).min(1);
/** Where nobody listens. */
const NOBODY = `http://127.0.0.1:${closedPort()}/v1`;
const CONFIG = JSON.stringify({ base_url: NOBODY, api_key: "sk-contract-1" });

/** What each route is called with and what its `data` is. The order is theirs in the table. */
const CHECKS: Readonly<Record<string, Check>> = {
  "GET /api/metrics/use/:days": data(
    "/api/metrics/use/0",
    z.object({ reqs: z.int().min(1), tokens: z.int().min(1) }),
  ),
  "GET /api/metrics/counts": data("/api/metrics/counts", counts("model")),
  "GET /api/metrics/projects": data("/api/metrics/projects", counts("project")),
  "GET /api/providers/template": async ({ call }) => {
    const { data } = succeeded(await call("GET", "/api/providers/template"));
    const rows = z.array(z.object({ type: z.string(), template: z.string() })).parse(data);
    assert.deepEqual(rows.map(({ type }) => type), ["openai", "gemini", "openai-res", "anthropic"]);
    for (const { template } of rows) z.record(z.string(), z.string()).parse(JSON.parse(template));
  },
  "GET /api/providers": data("/api/providers?name=acme&type=openai", z.array(answers.provider).length(1)),
  "GET /api/providers/models/:id": data("/api/providers/models/1", z.array(answers.listedModel).length(1)),
  "POST /api/providers": sent("POST", "/api/providers", {
    name: "Contract",
    type: "openai",
    config: CONFIG,
    console: "",
    proxy: "",
    error_matcher: '"status":"439"',
  }, answers.provider),
  "PUT /api/providers/:id": async ({ call, spare }) => {
    const id = await spare("providers");
    const body = {
      name: "Renamed",
      type: "openai",
      config: CONFIG,
      console: "",
      proxy: "",
      error_matcher: "",
    };
    answers.provider.parse(succeeded(await call("PUT", `/api/providers/${id}`, body)).data);
  },
  "DELETE /api/providers/:id": async ({ call, spare }) =>
    bare(await call("DELETE", `/api/providers/${await spare("providers")}`)),
  "GET /api/providers/health": data("/api/providers/health", z.array(answers.health).min(1)),
  "GET /api/providers/health/:id": data("/api/providers/health/1", answers.health),
  "POST /api/providers/batch-delete": batchDelete("providers"),
  "POST /api/providers/validate": async ({ call, vendor }) => {
    const provider = (base_url: string) => ({
      name: "x",
      type: "openai",
      config: JSON.stringify({ base_url, api_key: "k" }),
      console: "",
    });
    const good = await call("POST", "/api/providers/validate", provider(`${vendor.url}/v1`));
    const { valid, models } = answers.validation.parse(succeeded(good).data);
    assert.deepEqual([valid, models], [true, ["a"]]);
    const bad = await call("POST", "/api/providers/validate", provider(NOBODY));
    const refused = answers.validation.parse(succeeded(bad).data);
    assert.equal(refused.valid, false);
    assert.match(refused.error_message ?? "", /^Failed to fetch models: /);
  },
  "GET /api/models": async ({ call }) => {
    z.array(answers.model).min(1).parse(succeeded(await call("GET", "/api/models")).data);
    const paged = succeeded(await call("GET", "/api/models?page=1&page_size=1&search=GPT&strategy=lottery"));
    answers.page(answers.model).parse(paged.data);
  },
  "GET /api/models/select": data("/api/models/select", z.array(answers.model).min(1)),
  "POST /api/models": sent("POST", "/api/models", {
    name: "contract",
    remark: "",
    max_retry: 10,
    time_out: 60,
    strategy: "rotor",
    breaker: true,
  }, answers.model),
  "PATCH /api/models/order": async ({ call, modelId }) => {
    const answer = succeeded(await call("PATCH", "/api/models/order", { model_ids: [modelId] }));
    assert.deepEqual(answer.data, { updated: 1 });
  },
  "PUT /api/models/:id": async ({ call, spare }) => {
    const id = await spare("models");
    const body = {
      name: `other-${id}`,
      remark: "r",
      max_retry: 3,
      time_out: 0,
      strategy: "lottery",
      breaker: false,
    };
    const { TimeOut, Remark } = answers.model.parse(
      succeeded(await call("PUT", `/api/models/${id}`, body)).data,
    );
    assert.deepEqual([TimeOut, Remark], [0, "r"]);
  },
  "DELETE /api/models/:id": async ({ call, spare }) =>
    bare(await call("DELETE", `/api/models/${await spare("models")}`)),
  "POST /api/models/batch-delete": batchDelete("models"),
  "GET /api/model-providers": async ({ call, modelId }) => {
    const answer = succeeded(await call("GET", `/api/model-providers?model_id=${modelId}`));
    z.array(answers.association).length(1).parse(answer.data);
  },
  "GET /api/model-providers/status": async ({ call, providerId }) => {
    const query = new URLSearchParams({
      provider_id: String(providerId),
      model_name: "gpt-4o",
      provider_model: "upstream-model-1",
    });
    assert.deepEqual(succeeded(await call("GET", `/api/model-providers/status?${query}`)).data, [true]);
  },
  "POST /api/model-providers": async (seeded) => void await newAssociation(seeded),
  "PUT /api/model-providers/:id": async (seeded) => {
    const id = await newAssociation(seeded);
    const answer = await seeded.call("PUT", `/api/model-providers/${id}`, associationBody(seeded, 7));
    assert.equal(answers.association.parse(succeeded(answer).data).Weight, 7);
  },
  "PATCH /api/model-providers/:id/status": async (seeded) => {
    const id = await newAssociation(seeded);
    const answer = await seeded.call("PATCH", `/api/model-providers/${id}/status`, { status: false });
    assert.equal(answers.association.parse(succeeded(answer).data).Status, false);
  },
  "DELETE /api/model-providers/:id": async (seeded) =>
    bare(await seeded.call("DELETE", `/api/model-providers/${await newAssociation(seeded)}`)),
  "GET /api/version": data("/api/version", z.string().min(1)),
  "GET /api/logs": data(
    "/api/logs?page=1&page_size=20&status=success&style=openai&name=gpt-4o&auth_key_id=0",
    answers.page(answers.log),
  ),
  "GET /api/logs/:id/chat-io": async ({ call, logId }) => {
    const answer = await call("GET", `/api/logs/${logId}/chat-io`);
    assert.deepEqual([answer.status, answer.code, answer.message], [404, 404, "ChatIO not found"]);
  },
  "GET /api/user-agents": data("/api/user-agents", z.array(z.string()).min(1)),
  "POST /api/logs/cleanup": sent(
    "POST",
    "/api/logs/cleanup",
    { type: "days", value: 30 },
    z.object({ deleted_count: z.literal(0) }),
  ),
  "GET /api/logs/cleanup/history": data(
    "/api/logs/cleanup/history?page_size=10",
    answers.page(answers.cleanup),
  ),
  "GET /api/logs/export": async ({ call }) => {
    const { status, headers, text } = await call("GET", "/api/logs/export?days=1");
    assert.equal(status, 200);
    assert.match(headers.get("content-type") ?? "", /^text\/csv/);
    assert.match(headers.get("content-disposition") ?? "", /filename="llmio_logs_\d{8}_\d{6}\.csv"/);
    assert.match(
      text,
      /^ID,CreatedAt,ModelName,ProviderModel,ProviderName,Status,Style,Error,Retry,ProxyTime\(ms\),/,
    );
  },
  "DELETE /api/logs/clear": async ({ call }) => {
    const { data } = succeeded(await call("DELETE", "/api/logs/clear?days=30"));
    z.object({
      deleted_count: z.literal(0),
      cutoff_date: z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
    }).parse(data);
  },
  "GET /api/auth-keys": data(
    "/api/auth-keys?page=1&page_size=100&search=team&status=active",
    answers.page(answers.authKey),
  ),
  "GET /api/auth-keys/list": async ({ call }) => {
    const { data } = succeeded(await call("GET", "/api/auth-keys/list"));
    const rows = z.array(z.strictObject({ id: z.int(), name: z.string() })).min(2).parse(data);
    assert.deepEqual(rows.at(-1), { id: 0, name: "admin" });
  },
  "POST /api/auth-keys": async ({ call }) => {
    const answer = await call("POST", "/api/auth-keys", keyBody("contract", [" gpt-4o ", "gpt-4o", ""]));
    const key = answers.authKey.parse(succeeded(answer).data);
    assert.match(key.Key, /^sk-llmio-[0-9a-zA-Z]{36}$/);
    assert.deepEqual(key.Models, ["gpt-4o"]);
  },
  "PUT /api/auth-keys/:id": async (seeded) => {
    const id = await newKey(seeded);
    const answer = await seeded.call("PUT", `/api/auth-keys/${id}`, keyBody("renamed", ["gpt-4o"]));
    assert.equal(answers.authKey.parse(succeeded(answer).data).Name, "renamed");
  },
  "PATCH /api/auth-keys/:id/status": async (seeded) => {
    const id = await newKey(seeded);
    const answer = succeeded(await seeded.call("PATCH", `/api/auth-keys/${id}/status`));
    assert.equal(answers.authKey.parse(answer.data).Status, false);
  },
  "DELETE /api/auth-keys/:id": async (seeded) => {
    const id = await newKey(seeded);
    const answer = await seeded.call("DELETE", `/api/auth-keys/${id}`);
    assert.deepEqual([answer.status, answer.code, answer.data], [200, 200, { id }]);
  },
  "GET /api/config/:key": async ({ call }) => {
    const { data } = succeeded(await call("GET", "/api/config/anthropic_count_tokens"));
    const { base_url } = JSON.parse(answers.setting.parse(data).value);
    assert.match(base_url, /\/v1$/);
    const unknown = succeeded(await call("GET", "/api/config/nothing"));
    assert.deepEqual(unknown.data, { key: "nothing", value: "" });
  },
  "PUT /api/config/:key": async ({ call }) => {
    const value = '{"enabled":true,"retention_days":14}';
    const { data } = succeeded(await call("PUT", "/api/config/log_cleanup_policy", { value }));
    assert.deepEqual(data, { key: "log_cleanup_policy", value });
  },
  "GET /api/config": data("/api/config", answers.smartRouting),
  "PUT /api/config": async ({ call }) => {
    const { data } = await call("GET", "/api/config");
    assert.deepEqual(succeeded(await call("PUT", "/api/config", data)).data, data);
    const other = await call("PUT", "/api/config", { ...data, min_weight: 2 });
    assert.deepEqual([other.status, other.code], [422, 422]);
  },
  "GET /api/config/export": async ({ call }) => {
    const { status, headers, text } = await call("GET", "/api/config/export");
    assert.equal(status, 200);
    assert.match(
      headers.get("content-disposition") ?? "",
      /^attachment; filename="llmio_config_\d{8}_\d{6}\.json"$/,
    );
    const document = answers.configDocument.parse(JSON.parse(text));
    assert.equal(document.version, "1.0");
  },
  "POST /api/config/import": async ({ call }) => {
    const { text } = await call("GET", "/api/config/export");
    const { data } = succeeded(await call("POST", "/api/config/import", JSON.parse(text)));
    const { imported_count } = z.object({ imported_count: z.int(), message: z.string() }).parse(data);
    assert.equal(imported_count, 0);
  },
  "POST /api/config/batch-import": async ({ call }) => {
    const form = new FormData();
    const bytes = new Uint8Array(await templateWorkbook(true));
    form.set("file", new File([bytes], "book.xlsx"));
    const { data } = succeeded(await call("POST", "/api/config/batch-import", form));
    assert.equal(answers.workbookImport.parse(data).summary.total_imported, 6);
  },
  "GET /api/config/batch-import/template": async ({ call }) => {
    for (const [query, name] of [["", ""], ["?sample=true", "_with_sample"]]) {
      const { status, headers, text } = await call("GET", `/api/config/batch-import/template${query}`);
      assert.equal(status, 200);
      assert.equal(
        headers.get("content-disposition"),
        `attachment; filename="llmio_batch_import_template${name}.xlsx"`,
      );
      assert.ok(text.startsWith("PK"));
    }
  },
  "GET /api/test/:id": async ({ call, associationId }) => {
    const answer = await call("GET", `/api/test/${associationId}`);
    assert.deepEqual([answer.status, answer.code, answer.hasData], [200, 200, false]);
    assert.equal(JSON.parse(answer.message).choices[0].message.content, "Hello");
  },
  "GET /api/test/react/:id": async ({ call, associationId }) => {
    const { status, headers, text } = await call("GET", `/api/test/react/${associationId}`);
    assert.equal(status, 200);
    assert.match(headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.match(text, /^event:start\ndata:.+\n\n/);
    assert.match(text, /\n\nevent:(error|success)\ndata:.+\n\n$/);
  },
  "GET /api/test/count_tokens": data(
    "/api/test/count_tokens",
    z.literal("Anthropic count tokens test successful"),
  ),
  "GET /api/dashboard/stats": data("/api/dashboard/stats", answers.dashboard),
  "GET /api/dashboard/realtime": data("/api/dashboard/realtime", answers.realtime),
  "GET /api/health-check/config": data("/api/health-check/config", answers.healthConfig),
  "PUT /api/health-check/config": sent(
    "PUT",
    "/api/health-check/config",
    { Enabled: true, IntervalMinutes: 10, MaxErrorCount: 3, RetryAfterHours: 1 },
    answers.healthConfig.extend({ IntervalMinutes: z.literal(10), MaxErrorCount: z.literal(3) }),
  ),
  "POST /api/health-check/force/:id": async ({ call, providerId }) => {
    const answer = succeeded(await call("POST", `/api/health-check/force/${providerId}`, {}));
    assert.equal(answers.health.parse(answer.data).provider_id, providerId);
  },
};

Deno.test("contract: every route of the page has its check, and there is no other", async () => {
  const table = await readRouteTable();
  assert.equal(new Set(table.map(({ line }) => line)).size, 54);
  assert.deepEqual(table.map(({ route }) => route).sort(), Object.keys(CHECKS).sort());
});

Deno.test("contract: every route of the page answers as it says", async (t) => {
  await using seeded = await startSeeded();
  for (const { route, line } of await readRouteTable()) {
    await t.step(`${line}. ${route}`, async () => {
      const check = CHECKS[route];
      assert.ok(check !== undefined, "nothing checks this route");
      await check(seeded);
    });
  }
});

/** A GET that answers data of this form. */
function data(path: string, schema: z.ZodType): Check {
  return async ({ call }) => void schema.parse(succeeded(await call("GET", path)).data);
}

/** A body that is answered with data of this form. */
function sent(method: string, path: string, body: unknown, schema: z.ZodType): Check {
  return async ({ call }) => void schema.parse(succeeded(await call(method, path, body)).data);
}

function succeeded(answer: Envelope): Envelope {
  const { status, code, message } = answer;
  assert.deepEqual([status, code, message], [200, 200, "success"], answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  return answer;
}

/** Success with nothing to say: then there is no `data`. */
function bare(answer: Envelope): void {
  assert.equal(succeeded(answer).hasData, false);
}

function batchDelete(resource: "providers" | "models"): Check {
  return async ({ call, spare }) => {
    const ids = [await spare(resource), await spare(resource)];
    const { data } = succeeded(await call("POST", `/api/${resource}/batch-delete`, { ids }));
    assert.deepEqual([data.deleted_count, data.deleted_ids], [2, ids]);
  };
}

function associationBody({ modelId, providerId }: SeededGateway, weight: number): Record<string, unknown> {
  return {
    model_id: modelId,
    provider_name: "gpt-4o-2024-08-06",
    provider_id: providerId,
    tool_call: true,
    structured_output: true,
    image: true,
    with_header: false,
    customer_headers: { "X-Team": "a" },
    extra_body: { service_tier: "flex" },
    weight,
    input_price: 2.5,
    cache_read_price: 1.25,
    output_price: 10,
    currency: "USD",
  };
}

async function newAssociation(seeded: SeededGateway): Promise<number> {
  const answer = await seeded.call("POST", "/api/model-providers", associationBody(seeded, 5));
  return answers.association.extend({ Status: z.literal(true) }).parse(succeeded(answer).data).ID;
}

function keyBody(name: string, models: readonly string[]): Record<string, unknown> {
  return {
    name,
    status: true,
    io_log: false,
    allow_all: false,
    models,
    expires_at: "2099-12-31T00:00:00+08:00",
  };
}

async function newKey({ call }: SeededGateway): Promise<number> {
  return answers.authKey.parse(
    succeeded(await call("POST", "/api/auth-keys", keyBody(`key-${crypto.randomUUID()}`, ["gpt-4o"]))).data,
  )
    .ID;
}
