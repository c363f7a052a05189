/** Rules of deleting many rows at once. @module */
import assert from "node:assert/strict";
import { PROVIDER, seed, startAdmin } from "./harness.ts";

for (const resource of ["providers", "models"] as const) {
  const path = `/${resource}/batch-delete`;
  const body = (name: string) => resource === "models" ? { name } : { ...PROVIDER, name };

  Deno.test(`POST /api${path} removes the rows and their associations and puts it in force once`, async () => {
    await using admin = await startAdmin();
    const { modelId } = await seed(admin);
    await admin.call("POST", `/${resource}`, body("b"));
    await admin.call("POST", `/${resource}`, body("c"));
    const before = admin.reloads();
    const { status, data } = await admin.call("POST", path, { ids: [1, 2] });
    assert.equal(status, 200);
    assert.deepEqual(data, { deleted_count: 2, deleted_ids: [1, 2], missing_ids: [] });
    assert.equal(admin.reloads(), before + 1);
    const left = await admin.call("GET", `/${resource}`);
    assert.deepEqual(left.data.map((row: { Name: string }) => row.Name), ["c"]);
    assert.deepEqual((await admin.call("GET", `/model-providers?model_id=${modelId}`)).data, []);
  });

  Deno.test(`POST /api${path} tells ids that no row has, and is a 404 if none has one`, async () => {
    await using admin = await startAdmin();
    await admin.call("POST", `/${resource}`, body("a"));
    const { data } = await admin.call("POST", path, { ids: [7, 1, 7, 1] });
    assert.deepEqual(data, { deleted_count: 1, deleted_ids: [1], missing_ids: [7] });
    const none = await admin.call("POST", path, { ids: [7, 8] });
    assert.deepEqual([none.status, none.code], [404, 404]);
    assert.match(none.message, /not found: 7, 8$/);
  });

  Deno.test(`POST /api${path} refuses what is no list of ids`, async () => {
    await using admin = await startAdmin();
    await admin.call("POST", `/${resource}`, body("a"));
    for (
      const sent of [{}, { ids: [] }, { ids: "1" }, { ids: [0] }, { ids: [1, "2"] }, { ids: [1.5] }, {
        id: [1],
      }]
    ) {
      assert.equal((await admin.call("POST", path, sent)).status, 400, JSON.stringify(sent));
    }
    assert.equal((await admin.call("GET", `/${resource}`)).data.length, 1);
  });
}
