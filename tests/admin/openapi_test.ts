/** Rules of `/api/openapi.json`. @module */
import assert from "node:assert/strict";
import { startAdmin } from "./harness.ts";

Deno.test("GET /api/openapi.json describes every route and no other", async () => {
  await using admin = await startAdmin();
  const document = JSON.parse((await admin.call("GET", "/openapi.json")).text);
  const described = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const routes = new Set(
    admin.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`),
  );
  assert.deepEqual(described.sort(), [...routes].sort());
});

Deno.test("GET /api/openapi.json is sound: references resolve, paths and answers are described", async () => {
  await using admin = await startAdmin();
  const { text } = await admin.call("GET", "/openapi.json");
  const document = JSON.parse(text);
  assert.match(document.openapi, /^3\.1\./);
  assert.deepEqual([document.info.title, document.info.version], ["LLMIO admin API", "1.2.3"]);
  for (const [, name = ""] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(document.components.schemas[name], `${name} is missing`);
  }
  for (const [path, item] of Object.entries<Record<string, Operation>>(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const where = `${method} ${path}`;
      assert.ok(operation.summary, where);
      assert.deepEqual(operation.security, [{ adminToken: [] }], where);
      assert.ok(["200", "401", "403", "500"].every((status) => status in operation.responses), where);
      assert.equal("requestBody" in operation, ["post", "put", "patch"].includes(method), where);
      const inPath = (operation.parameters ?? []).filter((one) => one.in === "path").map((one) => one.name);
      assert.deepEqual(inPath, Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name), where);
    }
  }
});

Deno.test("GET /api/openapi.json documents fields in snake case, with what is required", async () => {
  await using admin = await startAdmin();
  const { components: { schemas } } = JSON.parse((await admin.call("GET", "/openapi.json")).text);
  assert.deepEqual(schemas.ProviderCreate.required, ["name", "type", "config"]);
  assert.deepEqual(schemas.AssociationCreate.required, ["model_id", "provider_name", "provider_id"]);
  assert.deepEqual(schemas.ModelCreate.required, ["name"]);
  for (const name of ["ProviderUpdate", "ModelUpdate", "AssociationUpdate"]) {
    assert.equal(schemas[name].required, undefined, name);
    assert.equal(schemas[name].additionalProperties, false, name);
  }
  assert.deepEqual(
    [schemas.ModelCreate.properties.max_retry.default, schemas.ModelCreate.properties.max_retry.minimum],
    [10, 1],
  );
});

interface Operation {
  readonly summary?: string;
  readonly security?: unknown;
  readonly responses: Record<string, unknown>;
  readonly parameters?: { readonly in: string; readonly name: string }[];
}
