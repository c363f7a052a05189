/** A gateway that is asked to stop in the middle of a load loses nothing of what it has served. @module */
import assert from "node:assert/strict";
import { inFolder } from "../store/fixtures.ts";
import { assertFileAgrees, assertReportsAgree } from "./books.ts";
import { Client } from "./client.ts";
import { cannotBeAsked, furnish, GatewayProcess } from "./gateway_process.ts";
import { Vendor } from "./vendor.ts";

const REQUESTS = 5_000;
const AT_A_TIME = 100;

Deno.test(
  "SIGTERM in the middle of 5,000 requests and a restart: whatever was let in is served, and the books agree",
  { ignore: cannotBeAsked },
  () =>
    inFolder(async (folder) => {
      await using vendor = await Vendor.start();
      await using first = await GatewayProcess.start(folder);
      const client = new Client(await furnish(first, vendor), vendor);
      const stopped = new AbortController();
      const load = client.load(first, {
        from: 0,
        count: REQUESTS,
        concurrency: AT_A_TIME,
        signal: stopped.signal,
        mayBreak: true,
      });
      while (client.sightings.length < REQUESTS / 2) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await first.stop();
      stopped.abort();
      await load;
      assert.deepEqual(client.broken, [], "requests that were let in and broken off");
      const refused = client.sightings.filter(({ end }) => end === "refused").length;
      const served = client.sightings.length - refused;
      assert.ok(served >= REQUESTS / 2 && served < REQUESTS, `${served} were served before the stop`);
      assertFileAgrees(first.file, client);

      await using second = await GatewayProcess.start(folder);
      await client.load(second, { from: REQUESTS, count: REQUESTS - served, concurrency: AT_A_TIME });
      await second.settled();
      assert.equal(client.sightings.length, REQUESTS + refused);
      await assertReportsAgree(second, client);
      await second.stop();
      assertFileAgrees(second.file, client);
    }),
);
