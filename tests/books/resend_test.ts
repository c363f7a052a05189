/**
 * The runtime's `fetch` sends bytes a second time, on a new connection, when a pooled connection is lost before an
 * answer, whatever the method and although the vendor may have had all of it. Then a vendor would be asked twice in one
 * attempt: what was asked first would be in no book, and its failure never seen.
 *
 * @module
 */
import assert from "node:assert/strict";
import { TestGateway } from "../integration/test_gateway.ts";
import { okChat } from "../upstream/fixtures.ts";
import { reset } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";

Deno.test(
  "a request that is lost on a used connection is a failed attempt, and never sent again behind the books",
  async () => {
    await using upstream = await ScriptedUpstream.start(okChat());
    await using gateway = await TestGateway.start();
    await gateway.serveModel({ providers: [upstream.url] });
    await (await gateway.chat({})).text();
    upstream.enqueue([reset]);
    await (await gateway.chat({})).text();
    const rows = await gateway.logs(3);
    assert.equal(rows.length, upstream.requests.length, "each call has a row");
    assert.deepEqual(rows.map(({ Outcome }) => Outcome), ["completed", "network", "completed"]);
  },
);
