/** Rules of `src/gateway/admission.ts`. @module */
import assert from "node:assert/strict";
import { adminToken } from "../../src/access/admin_token.ts";
import { ClientKeys } from "../../src/access/client_keys.ts";
import { Days } from "../../src/accounting/days.ts";
import { admit, bearerCredential } from "../../src/gateway/admission.ts";

const keys = new ClientKeys({ now: () => 0, days: new Days("UTC"), cnyPerUsd: 7 });
const open = { token: null, keys };
const closed = { token: adminToken("t"), keys };

function call(url: string, headers: Record<string, string>): Request {
  return new Request(url, { method: "POST", headers });
}

Deno.test("admit() lets a page of the gateway's own in where no token is set, over https too", () => {
  const host = "localhost:7070";
  for (const own of [`http://${host}`, `https://${host}`]) {
    const admission = admit(call(`${own}/v1/models`, { host, origin: own }), open, bearerCredential);
    assert.deepEqual(admission, { ok: true, key: null }, own);
  }
});

Deno.test("admit() refuses foreign pages where no token is set, and leaves them to the token where one is", () => {
  const foreign = [
    [{ host: "rebound.example" }, "host_not_allowed"],
    [{ host: "localhost", origin: "https://evil.example" }, "origin_not_allowed"],
    [{ host: "localhost", origin: "null" }, "origin_not_allowed"],
  ] as const;
  for (const [headers, code] of foreign) {
    const refused = admit(call("http://localhost/", headers), open, bearerCredential);
    assert.ok(!refused.ok);
    assert.deepEqual([refused.refusal.status, refused.refusal.code], [403, code]);
    const unknown = admit(call("http://localhost/", headers), closed, bearerCredential);
    assert.equal(unknown.ok ? 200 : unknown.refusal.status, 401);
    const authorization = "Bearer t";
    const known = admit(call("http://localhost/", { ...headers, authorization }), closed, bearerCredential);
    assert.deepEqual(known, { ok: true, key: null });
  }
});
