/** Rules of `src/access/client_keys.ts`. @module */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  type ClientKey,
  ClientKeys,
  type ClientKeysOptions,
  type LimitRefusal,
  type Permit,
} from "../../src/access/client_keys.ts";
import { Days } from "../../src/accounting/days.ts";
import type { AuthKey } from "../../src/store/auth_keys.ts";
import { authKey } from "../store/fixtures.ts";
import { CNY_PER_USD, HOUR, NOW, tryIn, UTC_DAYS } from "./limited_key.ts";

const UNKNOWN = { ok: false, reason: "unknown" };
const EXPIRED = { ok: false, reason: "expired" };

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A key that is used by the text `key-<id>`, kept as a hash. */
function row(id: number, fields: Partial<AuthKey> = {}): AuthKey {
  return {
    ...authKey({ name: `name ${id}` }),
    id,
    createdAt: "2026-01-01T00:00:00Z",
    updatedAt: "2026-01-01T00:00:00Z",
    key: "",
    hash: sha256(`key-${id}`),
    mask: "****",
    previousHash: "",
    previousUntilMs: 0,
    budgetBaseline: null,
    usageCount: 0,
    lastUsedAt: null,
    ...fields,
  };
}

/** Keys under a clock that the test moves. */
class Sample {
  at = NOW;
  readonly keys: ClientKeys;

  constructor(rows: readonly AuthKey[], options: Partial<ClientKeysOptions> = {}) {
    this.keys = new ClientKeys({
      now: () => this.at,
      days: UTC_DAYS,
      cnyPerUsd: CNY_PER_USD,
      ...options,
    });
    this.keys.useRows(rows);
  }

  key(credential: string): ClientKey {
    const found = this.keys.find(credential);
    if (!found.ok) assert.fail(found.reason);
    return found.key;
  }

  id(credential: string): number | string {
    const found = this.keys.find(credential);
    return found.ok ? found.key.id : found.reason;
  }
}

function permit(answer: Permit | LimitRefusal): Permit {
  if (!answer.ok) assert.fail(answer.message);
  return answer;
}

function limitOf(answer: Permit | LimitRefusal): string | null {
  return answer.ok ? null : answer.limit;
}

Deno.test("find() knows a key by its hash, again and again", () => {
  const sample = new Sample([row(2, { ioLog: true }), row(1)]);
  for (let i = 0; i < 3; i++) {
    assert.equal(sample.id("key-1"), 1);
    assert.equal(sample.id("key-2"), 2);
  }
  const { id, name, ioLog } = sample.key("key-2");
  assert.deepEqual({ id, name, ioLog }, { id: 2, name: "name 2", ioLog: true });
});

Deno.test("find() takes a hash in capitals for the same hash", () => {
  assert.equal(new Sample([row(1, { hash: sha256("key-1").toUpperCase() })]).id("key-1"), 1);
});

/** A text as `Headers` shows what HTTP carries of it: a character for each byte. */
function inHeader(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

Deno.test("find() knows a key that stands in plain text, also one beyond ASCII as HTTP carries it", () => {
  const sample = new Sample([
    row(1, { hash: "", key: "sk-llmio-old" }),
    row(2, { hash: "", key: "schlüssel-钥" }),
  ]);
  assert.equal(sample.id("sk-llmio-old"), 1);
  assert.equal(sample.id("schlüssel-钥"), 2);
  assert.equal(sample.id(inHeader("schlüssel-钥")), 2);
});

Deno.test("find() knows a key beyond ASCII also once it is hashed or rotated", () => {
  const [hashed, before] = ["schlüssel-钥", "früher"];
  const sample = new Sample([
    row(1, { hash: sha256(hashed), previousHash: sha256(before), previousUntilMs: NOW + HOUR }),
  ]);
  for (const text of [hashed, before, inHeader(hashed), inHeader(before)]) {
    assert.equal(sample.id(text), 1, text);
  }
  assert.equal(sample.id(inHeader(inHeader(hashed))), "unknown");
});

Deno.test("find() knows a stored text of any length", () => {
  const long = "ü".repeat(5_000);
  const sample = new Sample([row(1, { hash: "", key: long })]);
  assert.equal(sample.id(long), 1);
  assert.equal(sample.id(`${long}x`), "unknown");
});

Deno.test("find() takes no hash, mask or blank for a key", () => {
  const sample = new Sample([
    row(1),
    row(2, { hash: "", key: "" }),
    row(3, { hash: "", key: "plain" }),
    row(4, { hash: sha256("") }),
  ]);
  for (const text of ["", sha256("key-1"), sha256("plain"), "****", sha256("")]) {
    assert.deepEqual(sample.keys.find(text), UNKNOWN, text);
  }
});

Deno.test("find() answers unknown to any other text, and never throws", () => {
  const sample = new Sample([row(1), row(2, { hash: "", key: "sk-llmio-plain" })]);
  const texts = [
    "key-1 ",
    " key-1",
    "KEY-1",
    "key-1\0",
    "\0",
    "\ud800",
    "ключ",
    "__proto__",
    "constructor",
    "x".repeat(1_048_576),
    "key-1".repeat(200_000),
  ];
  for (const text of texts) assert.deepEqual(sample.keys.find(text), UNKNOWN, text.slice(0, 20));
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 2_000 }), (text) => {
    if (text === "key-1" || text === "key-2" || text === "sk-llmio-plain") return;
    assert.deepEqual(sample.keys.find(text), UNKNOWN);
  }));
  assert.equal(sample.id("key-1"), 1);
});

Deno.test("find() does not know keys that are switched off or gone, once the rows say so", () => {
  const sample = new Sample([row(1), row(2), row(3)]);
  for (const id of [1, 2, 3]) assert.equal(sample.id(`key-${id}`), id);
  sample.keys.useRows([row(1, { status: false }), row(2, { status: null })]);
  for (const id of [1, 2, 3]) assert.deepEqual(sample.keys.find(`key-${id}`), UNKNOWN);
  sample.keys.useRows([row(1)]);
  assert.equal(sample.id("key-1"), 1);
});

Deno.test("find() takes a key up to the very moment at which it expires", () => {
  const sample = new Sample([
    row(1, { expiresAt: "2026-05-20T20:00:01+08:00" }),
    row(2, { expiresAt: "0001-01-01T00:00:00Z" }),
    row(3, { expiresAt: "no time" }),
    row(4, { expiresAt: "9999-12-31T23:59:59Z" }),
  ]);
  assert.equal(sample.id("key-1"), 1);
  sample.at = NOW + 1_000;
  assert.equal(sample.id("key-1"), 1);
  sample.at = NOW + 1_001;
  assert.deepEqual(sample.keys.find("key-1"), EXPIRED);
  assert.deepEqual(sample.keys.find("key-2"), EXPIRED);
  assert.deepEqual(sample.keys.find("key-3"), EXPIRED);
  assert.equal(sample.id("key-4"), 4);
  sample.keys.useRows([row(1, { expiresAt: null })]);
  assert.equal(sample.id("key-1"), 1);
});

Deno.test("find() does not say of a key that is switched off that it has expired", () => {
  const sample = new Sample([row(1, { status: false, expiresAt: "2020-01-01T00:00:00Z" })]);
  assert.deepEqual(sample.keys.find("key-1"), UNKNOWN);
});

Deno.test("find() takes the key before a rotation until its time is over", () => {
  const rotated = row(1, { previousHash: sha256("before"), previousUntilMs: NOW + HOUR });
  const sample = new Sample([rotated]);
  assert.equal(sample.id("before"), 1);
  assert.equal(sample.id("key-1"), 1);
  sample.at = NOW + HOUR - 1;
  assert.equal(sample.id("before"), 1);
  sample.at = NOW + HOUR;
  assert.deepEqual(sample.keys.find("before"), UNKNOWN);
  assert.equal(sample.id("key-1"), 1);
  sample.at = NOW;
  sample.keys.useRows([{ ...rotated, expiresAt: "2026-05-20T11:00:00Z" }]);
  assert.deepEqual(sample.keys.find("before"), EXPIRED);
  sample.keys.useRows([{ ...rotated, status: false }]);
  assert.deepEqual(sample.keys.find("before"), UNKNOWN);
});

Deno.test("find() lets both texts of a rotation count as one key", () => {
  const sample = new Sample([
    row(1, { previousHash: sha256("before"), previousUntilMs: NOW + HOUR, maxConcurrent: 1 }),
  ]);
  permit(tryIn(sample.key("before")));
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "max_concurrent");
});

Deno.test("find() gives a text that several keys share to the oldest one in use", () => {
  const rows = [7, 5, 9].map((id) => row(id, { hash: "", key: "shared" }));
  const sample = new Sample(rows);
  assert.equal(sample.id("shared"), 5);
  sample.keys.useRows([row(3, { status: false, hash: "", key: "shared" }), ...rows.toReversed()]);
  assert.equal(sample.id("shared"), 5);
  const former = { previousHash: sha256("shared"), previousUntilMs: NOW + HOUR };
  sample.keys.useRows([row(1, former), row(2, { hash: sha256("shared") })]);
  assert.equal(sample.id("shared"), 2);
});

Deno.test("find() keeps thousands of keys apart", () => {
  const sample = new Sample(Array.from({ length: 12_000 }, (_, index) => row(index + 1)));
  for (let round = 0; round < 2; round++) {
    for (let id = 1; id <= 12_000; id++) assert.equal(sample.id(`key-${id}`), id);
  }
});

Deno.test("mayUse() compares the names of models exactly, unless all are allowed", () => {
  const sample = new Sample([row(1, { allowAll: false, models: ["gpt-4o", "团队/模型"] }), row(2)]);
  const some = sample.key("key-1");
  assert.deepEqual(
    ["gpt-4o", "团队/模型", "GPT-4o", "gpt-4o ", "gpt-4o-mini", "", "constructor"].map((each) =>
      some.mayUse(each)
    ),
    [true, true, false, false, false, false, false],
  );
  assert.equal(sample.key("key-2").mayUse("anything"), true);
  sample.keys.useRows([row(1, { allowAll: false }), row(2, { allowAll: true, models: ["a"] })]);
  assert.equal(sample.key("key-1").mayUse("gpt-4o"), false);
  assert.equal(sample.key("key-2").mayUse("b"), true);
});

Deno.test("providers says who may serve a key: null is everybody, an empty list nobody", () => {
  const sample = new Sample([row(1), row(2, { providers: [3, 4] }), row(3, { providers: [] })]);
  assert.equal(sample.key("key-1").providers, null);
  assert.deepEqual(sample.key("key-2").providers, new Set([3, 4]));
  assert.deepEqual(sample.key("key-3").providers, new Set());
});

Deno.test("useRows() keeps what has been counted of keys that stay, and puts their limits in force at once", () => {
  const sample = new Sample([row(1, { requestsPerMinute: 10, maxConcurrent: 10 }), row(2)]);
  const before = sample.key("key-1");
  const held = [1, 2, 3].map(() => permit(tryIn(before)));
  sample.keys.useRows([row(1, { requestsPerMinute: 10, maxConcurrent: 3 }), row(2, { maxConcurrent: 0 })]);
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "max_concurrent");
  assert.equal(limitOf(tryIn(before)), "max_concurrent");
  assert.equal(limitOf(tryIn(sample.key("key-2"))), "max_concurrent");
  for (const each of held) each.release();
  assert.equal(sample.key("key-1").standing().requests?.remaining, 7);
  permit(tryIn(sample.key("key-1")));
});

Deno.test("useRows() keeps what has been counted of a key while it is switched off", () => {
  const sample = new Sample([row(1, { budgetTotal: 1 })]);
  const held = permit(tryIn(sample.key("key-1")));
  sample.keys.useRows([row(1, { budgetTotal: 1, status: false })]);
  held.spent({ tokens: 5, cost: 1, currency: "USD" });
  held.release();
  sample.keys.useRows([row(1, { budgetTotal: 1 })]);
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "budget_total");
});

Deno.test("useRows() drops what has been counted of keys that are gone; their permits can be released", () => {
  const rows = [row(1, { maxConcurrent: 1, budgetTotal: 1 })];
  const sample = new Sample(rows);
  const gone = sample.key("key-1");
  const held = permit(tryIn(gone, { tokens: 1, cost: 1, currency: "USD" }));
  sample.keys.useRows([]);
  held.spent({ tokens: 1, cost: 1, currency: "USD" });
  held.release();
  held.release();
  assert.equal(limitOf(tryIn(gone)), "budget_total");
  sample.keys.useRows(rows);
  permit(tryIn(sample.key("key-1")));
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "max_concurrent");
});

Deno.test("useRows() counts each key by itself", () => {
  const sample = new Sample([row(1, { requestsPerMinute: 1 }), row(2, { requestsPerMinute: 1 })]);
  permit(tryIn(sample.key("key-1")));
  permit(tryIn(sample.key("key-2")));
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "requests_per_minute");
});

Deno.test("restore() takes over what earlier runs have counted, also of keys that are switched off", () => {
  const rows = [
    row(1, { budgetMonth: 10, requestsPerMinute: 5, tokensPerMinute: 100 }),
    row(2, { budgetMonth: 10, status: false }),
    row(3, { budgetMonth: 10 }),
  ];
  const sample = new Sample(rows);
  sample.keys.restore([
    { authKeyId: 1, currency: "USD", day: 0, month: 3, total: 3 },
    { authKeyId: 2, currency: "CNY", day: 0, month: 70, total: 70 },
    { authKeyId: 99, currency: "USD", day: 9, month: 9, total: 9 },
  ], [
    { authKeyId: 1, second: NOW / 1000 - 60, requests: 2, tokens: 30 },
    { authKeyId: 1, second: NOW / 1000 - 61, requests: 2, tokens: 30 },
    { authKeyId: 99, second: NOW / 1000, requests: 2, tokens: 30 },
  ]);
  const { requests, tokens } = sample.key("key-1").standing();
  assert.deepEqual([requests?.remaining, tokens?.remaining], [3, 70]);
  sample.keys.useRows([rows[0] ?? row(1), row(2, { budgetMonth: 10 }), rows[2] ?? row(3)]);
  assert.equal(limitOf(tryIn(sample.key("key-2"))), "budget_month");
  permit(tryIn(sample.key("key-1")));
  permit(tryIn(sample.key("key-3")));
});

Deno.test("admit() begins a new day where the configured zone does", () => {
  const sample = new Sample([row(1, { budgetDay: 1 })], { days: new Days("Asia/Shanghai") });
  permit(tryIn(sample.key("key-1"))).spent({ tokens: 0, cost: 1, currency: "USD" });
  const answer = tryIn(sample.key("key-1"));
  if (answer.ok) assert.fail("it was admitted");
  assert.equal(answer.retryAfterMs, 4 * HOUR);
  sample.at += 4 * HOUR - 1;
  assert.equal(limitOf(tryIn(sample.key("key-1"))), "budget_day");
  sample.at++;
  permit(tryIn(sample.key("key-1")));
});

Deno.test("admit() asks for the date once a day, not once a request", () => {
  let asked = 0;
  const sample = new Sample([row(1, { budgetDay: 1 }), row(2)], {
    days: {
      dayOf: (ms) => {
        asked++;
        return UTC_DAYS.dayOf(ms);
      },
      nextDay: (ms) => UTC_DAYS.nextDay(ms),
      nextMonth: (ms) => UTC_DAYS.nextMonth(ms),
    },
  });
  for (let i = 0; i < 500; i++) {
    sample.at += 1;
    for (const text of ["key-1", "key-2"]) permit(tryIn(sample.key(text))).release();
  }
  assert.equal(asked, 1);
});

Deno.test("refusals and what is found show no secret", () => {
  const sample = new Sample([row(1, { hash: "", key: "sk-llmio-secret", requestsPerMinute: 0 })]);
  const found = sample.keys.find("sk-llmio-secret");
  const answer = tryIn(sample.key("sk-llmio-secret"));
  for (const shown of [Deno.inspect(found, { depth: 9 }), JSON.stringify([found, answer])]) {
    assert.doesNotMatch(shown, /sk-llmio-secret/);
    assert.ok(!shown.includes(sha256("sk-llmio-secret")));
  }
});

Deno.test("ClientKeys refuses to work without a rate between the currencies", () => {
  for (const cnyPerUsd of [0, -1, NaN, Infinity]) {
    assert.throws(() => new Sample([], { cnyPerUsd }), RangeError);
  }
});
