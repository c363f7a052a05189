import { deepEqual, equal } from "node:assert/strict";
import { FAILURE_CLASSES, type FailureClass } from "../../src/failover/failure_class.ts";
import { openStore } from "../../src/store/open.ts";
import type { LogInsert } from "../../src/store/logs.ts";
import { inFolder, log, sql } from "./fixtures.ts";

type Figures = Record<string, number | string | bigint | null>;
const days = (path: string, columns: string, rest = ""): Figures[] =>
  sql(
    path,
    (database) =>
      database.prepare(`SELECT ${columns} FROM usage_days ${rest}`).all().map((
        row,
      ) => ({ ...row } as Figures)),
  );

const ended = (fields: Partial<LogInsert>): LogInsert =>
  log({ status: "success", outcome: "completed", providerId: 1, retry: 0, ...fields });

async function writing(
  path: string,
  timeZone: string,
  work: (write: (inserts: LogInsert[]) => Promise<number[]>) => Promise<void>,
): Promise<void> {
  const store = await openStore({ path, timeZone });
  try {
    await work((inserts) => store.logs.write({ inserts, updates: [] }));
  } finally {
    await store.close();
  }
}

Deno.test("days add up to exactly what the log rows hold", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const outcomes = ["completed", "incomplete", "client_gone", ...Object.keys(FAILURE_CLASSES)];
    await writing(path, "UTC", async (write) => {
      for (let batch = 0; batch < 20; batch++) {
        await write(Array.from({ length: 50 }, (_, i) => {
          const n = batch * 50 + i;
          const outcome = outcomes[n % outcomes.length] ?? "";
          const success = outcome === "completed" || outcome === "incomplete";
          return ended({
            startedAtMs: Date.UTC(2026, 4, 1) + n * 3_700_000,
            name: `m${n % 3}`,
            providerId: n % 4 + 1,
            authKeyId: n % 2,
            retry: n % 5 === 0 ? 1 : 0,
            status: success ? "success" : "error",
            outcome,
            promptTokens: n,
            completionTokens: 2 * n,
            totalTokens: 3 * n,
            cachedTokens: n % 7,
            cost: n / 1024,
            currency: n % 2 === 0 ? "USD" : "CNY",
          });
        }));
      }
    });
    const sums =
      "sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion, sum(total_tokens) AS total, sum(cost) AS cost";
    const [fromDays] = days(
      path,
      `sum(attempts) AS n, sum(requests) AS requests, sum(successes) AS successes, ${sums}`,
    );
    const fromRows = sql(path, (database) => ({
      ...database.prepare(
        `SELECT count(*) AS n, sum(retry = 0) AS requests, sum(status = 'success') AS successes, ${sums} FROM chat_logs`,
      ).get(),
    }));
    deepEqual(fromDays, fromRows);
    const [kinds] = days(
      path,
      "sum(attempts) AS all_of_them, sum(successes + failures + caller_errors + cancelled + limited + gateway_errors) AS kinds",
    );
    equal(kinds?.["all_of_them"], kinds?.["kinds"]);
    const providers = sql(path, (database) => ({
      ...database.prepare(
        "SELECT sum(total_requests) AS n, sum(success_requests) AS s, sum(failed_requests) AS f, sum(total_tokens) AS t FROM provider_usage_stats",
      ).get(),
    }));
    const [expected] = days(
      path,
      "sum(attempts) AS n, sum(successes) AS s, sum(failures) AS f, sum(total_tokens) AS t",
    );
    deepEqual(providers, expected);
  }));

Deno.test("a day counts as failures what counts against a provider, and nothing else", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const classes = Object.keys(FAILURE_CLASSES) as FailureClass[];
    await writing(path, "UTC", async (write) => {
      await write(classes.map((outcome) => ended({ status: "error", outcome, name: outcome })));
    });
    for (const row of days(path, "model, failures")) {
      const { providerFailure } = FAILURE_CLASSES[row["model"] as FailureClass];
      equal(Number(row["failures"]), providerFailure ? 1 : 0, String(row["model"]));
    }
  }));

Deno.test("a request belongs to the day on which it started, in the configured zone", async () => {
  const cases: [zone: string, midnight: string, before: string, after: string][] = [
    ["UTC", "2026-05-20T00:00:00Z", "2026-05-19", "2026-05-20"],
    ["Asia/Shanghai", "2026-05-20T00:00:00+08:00", "2026-05-19", "2026-05-20"],
    ["Asia/Kathmandu", "2026-05-20T00:00:00+05:45", "2026-05-19", "2026-05-20"],
    // The days on which Los Angeles' clocks go forward and back, both of their midnights.
    ["America/Los_Angeles", "2026-03-08T00:00:00-08:00", "2026-03-07", "2026-03-08"],
    ["America/Los_Angeles", "2026-03-09T00:00:00-07:00", "2026-03-08", "2026-03-09"],
    ["America/Los_Angeles", "2026-11-01T00:00:00-07:00", "2026-10-31", "2026-11-01"],
    ["America/Los_Angeles", "2026-11-02T00:00:00-08:00", "2026-11-01", "2026-11-02"],
  ];
  for (const [zone, midnight, before, after] of cases) {
    await inFolder(async (folder) => {
      const path = `${folder}/llmio.db`;
      const at = Date.parse(midnight);
      await writing(path, zone, async (write) => {
        await write([ended({ startedAtMs: at - 100 }), ended({ startedAtMs: at + 100 })]);
      });
      deepEqual(days(path, "day, attempts", "ORDER BY day"), [{ day: before, attempts: 1 }, {
        day: after,
        attempts: 1,
      }], `${zone} ${midnight}`);
    });
  }
});

Deno.test("a day of 23 or 25 hours loses nothing", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await writing(path, "America/Los_Angeles", async (write) => {
      for (const start of ["2026-03-08T00:00:00-08:00", "2026-11-01T00:00:00-07:00"]) {
        const at = Date.parse(start);
        await write(Array.from({ length: 26 * 4 }, (_, i) => ended({ startedAtMs: at + i * 900_000 })));
      }
    });
    deepEqual(days(path, "day, attempts", "ORDER BY day"), [
      { day: "2026-03-08", attempts: 23 * 4 },
      { day: "2026-03-09", attempts: 3 * 4 },
      { day: "2026-11-01", attempts: 25 * 4 },
      { day: "2026-11-02", attempts: 4 },
    ]);
  }));

Deno.test("an attempt is counted when it ends, once, whether its row was written before or not", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const store = await openStore({ path, timeZone: "UTC" });
    const running = ended({ status: "running", outcome: "" });
    const [id = 0] = await store.logs.write({ inserts: [running], updates: [] });
    await store.close();
    deepEqual(days(path, "attempts"), []);
    const again = await openStore({ path, timeZone: "UTC" });
    await again.logs.write({ inserts: [], updates: [{ ...ended({ totalTokens: 5 }), id }] });
    await again.close();
    deepEqual(days(path, "attempts, successes, total_tokens"), [{
      attempts: 1,
      successes: 1,
      total_tokens: 5,
    }]);
  }));

Deno.test("an attempt that a killed process left running is counted when it is closed, once", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const store = await openStore({ path, timeZone: "UTC" });
    await store.logs.write({ inserts: [ended({ status: "running", outcome: "" })], updates: [] });
    equal(await store.logs.closeAbandoned(), 1);
    equal(await store.logs.closeAbandoned(), 0);
    await store.close();
    deepEqual(days(path, "attempts, gateway_errors, failures"), [{
      attempts: 1,
      gateway_errors: 1,
      failures: 0,
    }]);
  }));

Deno.test("a provider's average response time is that of its successes, from the choice to the end", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const took = (ms: number) =>
      ended({ proxyTimeNs: 5e6, firstChunkTimeNs: 5e6 + ms * 1e6 / 2, chunkTimeNs: ms * 1e6 / 2 });
    await writing(path, "UTC", async (write) => {
      await write([took(100), took(200)]);
      await write([took(600), { ...took(9_000), status: "error", outcome: "server" }]);
    });
    const row = sql(
      path,
      (database) =>
        database.prepare("SELECT avg_response_time AS ms, responses FROM provider_usage_stats").get(),
    );
    deepEqual({ ...row }, { ms: 300, responses: 3 });
  }));
