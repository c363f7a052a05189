/** The books agree: what clients count, rows, daily tables, totals by key and metrics are the same, to the token. @module */
import assert from "node:assert/strict";
import { inFolder } from "../store/fixtures.ts";
import { assertFileAgrees, assertMetricsAgree, assertReportsAgree } from "./books.ts";
import { Client } from "./client.ts";
import { cannotBeAsked, furnish, GatewayProcess } from "./gateway_process.ts";
import { Vendor } from "./vendor.ts";

const REQUESTS = 5_000;
const AT_A_TIME = 100;

Deno.test("5,000 requests, 100 at a time: client, rows, days, keys and metrics agree exactly", {
  ignore: cannotBeAsked,
}, () =>
  inFolder(async (folder) => {
    await using vendor = await Vendor.start();
    await using gateway = await GatewayProcess.start(folder);
    const client = new Client(await furnish(gateway, vendor), vendor);
    await client.load(gateway, { from: 0, count: REQUESTS, concurrency: AT_A_TIME });
    assert.equal(client.sightings.length, REQUESTS);
    await gateway.settled();
    await assertReportsAgree(gateway, client);
    await assertMetricsAgree(gateway, client);
    await gateway.stop();
    assertFileAgrees(gateway.file, client);
  }));
