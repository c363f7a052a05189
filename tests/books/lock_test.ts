/** A database that another program has locked delays rows, and nothing else. @module */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inFolder } from "../store/fixtures.ts";
import { assertFileAgrees, assertMetricsAgree, assertReportsAgree, withFile } from "./books.ts";
import { Client } from "./client.ts";
import { cannotBeAsked, furnish, GatewayProcess } from "./gateway_process.ts";
import { Vendor } from "./vendor.ts";

const REQUESTS = 5_000;
const LOCKED_MS = 8_000;
/** Both locks and the time between and after them are within the load. */
const PER_SECOND = REQUESTS / 20;
/** Far more than any request takes, far less than it would wait for the lock. */
const SLOW_MS = 4_000;

/** Locks a file from another process, and answers how many rows were written meanwhile. */
async function lockedRows(file: string): Promise<number> {
  const holder = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-read",
      "--allow-write",
      fileURLToPath(new URL("lock_holder.ts", import.meta.url)),
      file,
      String(LOCKED_MS),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const words = holder.stdout.getReader();
  assert.equal(new TextDecoder().decode((await words.read()).value), "locked\n");
  const before = rowsIn(file);
  await new Promise((resolve) => setTimeout(resolve, LOCKED_MS / 2));
  const written = rowsIn(file) - before;
  await words.read();
  words.releaseLock();
  await holder.stdout.cancel();
  assert.equal((await holder.status).code, 0);
  return written;
}

function rowsIn(file: string): number {
  return withFile(
    file,
    (database) => Number(database.prepare("SELECT count(*) AS n FROM chat_logs").get()?.["n"]),
  );
}

Deno.test("a database that is locked for 8 s, twice, is noticed by no request, and the books agree", {
  ignore: cannotBeAsked,
}, () =>
  inFolder(async (folder) => {
    await using vendor = await Vendor.start();
    await using gateway = await GatewayProcess.start(folder);
    const client = new Client(await furnish(gateway, vendor), vendor);
    const load = client.load(gateway, {
      from: 0,
      count: REQUESTS,
      concurrency: 100,
      perSecond: PER_SECOND,
    });
    for (let lock = 1; lock <= 2; lock++) {
      const before = client.sightings.length;
      assert.equal(await lockedRows(gateway.file), 0, "the file was locked");
      assert.ok(client.sightings.length - before > REQUESTS / 10, "requests went on");
    }
    await load;
    assert.ok(client.slowestMs < SLOW_MS, `the slowest request took ${client.slowestMs} ms`);
    assert.equal(client.sightings.length, REQUESTS);
    await gateway.settled();
    await assertReportsAgree(gateway, client);
    await assertMetricsAgree(gateway, client);
    await gateway.stop();
    assertFileAgrees(gateway.file, client);
  }));
