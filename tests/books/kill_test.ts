/** A gateway that is killed leaves a sound file, in which nothing older than a second is missing. @module */
import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { inFolder } from "../store/fixtures.ts";
import { assertFileIsSound, withFile } from "./books.ts";
import { Client, type Sighting } from "./client.ts";
import { cannotBeAsked, furnish, GatewayProcess } from "./gateway_process.ts";
import { STRANGER } from "./plan.ts";
import { Vendor } from "./vendor.ts";

const KILLS = 20;
const PER_SECOND = 200;
const AT_A_TIME = 50;
/** Rows of the last second may be lost (`LLMIO_FLUSH_MS` is 500). */
const LOST_MS = 1_000;
/** How long the load runs, at least; each round some more, so that the kill meets every moment of a flush. */
const LOAD_MS = 1_200;
const LONGER_MS = 13;
/** More requests than a round can begin. */
const ROUND = 10_000;

Deno.test(
  "kill -9 under load, 20 times: the file is sound, totals equal rows, at most a second of rows is lost",
  { ignore: cannotBeAsked },
  () =>
    inFolder(async (folder) => {
      await using vendor = await Vendor.start();
      let callers: Client["callers"] | null = null;
      let checked = 0;
      for (let round = 0; round < KILLS; round++) {
        await using gateway = await GatewayProcess.start(folder);
        withFile(gateway.file, assertNothingRuns);
        callers ??= await furnish(gateway, vendor);
        const client = new Client(callers, vendor);
        const killing = new AbortController();
        const load = client.load(gateway, {
          from: round * ROUND,
          count: ROUND,
          concurrency: AT_A_TIME,
          perSecond: PER_SECOND,
          signal: killing.signal,
          mayBreak: true,
        });
        await new Promise((resolve) => setTimeout(resolve, LOAD_MS + round * LONGER_MS));
        const killedAt = performance.now();
        killing.abort();
        await gateway.kill();
        await load;
        const old = client.sightings.filter(({ endedAt, end, plan }) =>
          endedAt < killedAt - LOST_MS && end === "as_planned" && plan.caller !== STRANGER
        );
        withFile(gateway.file, (database) => {
          assertFileIsSound(database);
          assertUsesAgree(database);
          for (const sighting of old) assertIsThere(database, sighting);
        });
        checked += old.length;
      }
      assert.ok(checked > KILLS * 10, `only ${checked} requests were old enough to be looked for`);
      await using last = await GatewayProcess.start(folder);
      await last.settled();
      await last.stop();
      withFile(last.file, (database) => {
        assertNothingRuns(database);
        assertFileIsSound(database);
        assertUsesAgree(database);
      });
    }),
);

/** The rows that the kill has left running are closed by the next start, and counted. */
function assertNothingRuns(database: DatabaseSync): void {
  const running = database.prepare("SELECT count(*) AS n FROM chat_logs WHERE status = 'running'").get();
  assert.equal(running?.["n"], 0);
}

/** A key has as many uses as there are requests of it. */
function assertUsesAgree(database: DatabaseSync): void {
  const wrong = database.prepare(
    `SELECT id, usage_count, (SELECT count(*) FROM chat_logs WHERE auth_key_id = auth_keys.id AND retry = 0) AS rows
     FROM auth_keys WHERE coalesce(usage_count, 0) <> rows`,
  ).all();
  assert.deepEqual(wrong, [], "uses of keys");
}

function assertIsThere(database: DatabaseSync, { plan, traceId }: Sighting): void {
  // A client that has left without an answer knows no trace id.
  if (traceId === null) return;
  const rows = database.prepare("SELECT status FROM chat_logs WHERE trace_id = ? ORDER BY retry").all(
    traceId,
  );
  assert.equal(rows.length, Math.max(plan.turns.length, 1), `rows of request ${plan.number}`);
  assert.ok(rows.every(({ status }) => status !== "running"), `ends of request ${plan.number}`);
}
