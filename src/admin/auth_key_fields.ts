/** Auth keys as the admin API shows and takes them. @module */
import { z } from "@hono/zod-openapi";
import type { AuthKey, AuthKeyFields } from "../store/auth_keys.ts";
import { parseTime, toRfc3339 } from "../store/time.ts";
import type { Spent } from "./auth_key_spent.ts";
import { fieldNames, type Fields, validFields } from "./body.ts";
import { Fault } from "./envelope.ts";
import { flagField, must, nameField } from "./fields.ts";
import { momentOf, momentSchema } from "./moment.ts";
import { rowHead, rowHeadShape } from "./rows.ts";

const CURRENCIES = ["USD", "CNY"] as const;

const shape = {
  name: nameField("What the key is for; unique."),
  status: z.boolean(must("true or false")).nullable().openapi({ description: "The operator's switch." }),
  io_log: flagField("The bodies of its requests and answers are recorded."),
  allow_all: z.boolean(must("true or false")).nullable().openapi({ description: "It may use every model." }),
  models: words("Public names of the models that it may use, unless `allow_all` is on."),
  expires_at: z.string(must("a string (RFC 3339) or null")).nullable().openapi({
    description: "When it ceases to be taken; null = never.",
    format: "date-time",
  }),
  requests_per_minute: limit("Requests in any 60 seconds."),
  tokens_per_minute: limit("Prompt and completion tokens in any 60 seconds."),
  max_concurrent: limit("Requests under way at once."),
  budget_day: budget("What it may spend in a day."),
  budget_month: budget("What it may spend in a month."),
  budget_total: budget("What it may spend in all."),
  budget_currency: z.enum(CURRENCIES, must("USD or CNY")).openapi({
    description: "Currency of the budgets.",
  }),
  providers: z.array(
    z.int(must("the id of a provider")).min(1, "must be the id of a provider"),
    must("an array"),
  )
    .nullable().transform((ids) => ids === null || ids.length === 0 ? null : [...new Set(ids)])
    .openapi({
      description: "Ids of the providers that may serve it; null or empty = all.",
      type: ["array", "null"],
    }),
  tags: words("Words to find it by."),
};

/** Body of `POST /api/auth-keys`. Without `status` the key is on: llmio makes one that is never taken. */
export const authKeyCreate = z.strictObject({
  ...shape,
  status: shape.status.default(true),
  io_log: shape.io_log.default(false),
  allow_all: shape.allow_all.default(false),
  models: shape.models.default([]),
  expires_at: shape.expires_at.default(null),
  requests_per_minute: shape.requests_per_minute.default(null),
  tokens_per_minute: shape.tokens_per_minute.default(null),
  max_concurrent: shape.max_concurrent.default(null),
  budget_day: shape.budget_day.default(null),
  budget_month: shape.budget_month.default(null),
  budget_total: shape.budget_total.default(null),
  budget_currency: shape.budget_currency.default("USD"),
  providers: shape.providers.default(null),
  tags: shape.tags.default([]),
}).openapi("AuthKeyCreate");

/**
 * Body of `PUT /api/auth-keys/:id`. A field left out keeps its value, but as with llmio `expires_at` and `io_log` do
 * not: without them the key never expires and records nothing.
 */
export const authKeyUpdate = z.strictObject(shape).partial().openapi("AuthKeyUpdate");

/** Members of both bodies. Keys are always made here, so one that is sent is not used. */
export const authKeyNames = fieldNames(authKeyUpdate, {}, [
  "Key",
  "UsageCount",
  "LastUsedAt",
  "Spent",
  "PreviousUntil",
]);

const limitSchema = z.int().nullable();
const amountSchema = z.number().nullable();

/** Schema of {@linkcode authKeyRow}. */
export const authKeySchema = z.object({
  ...rowHeadShape,
  Name: z.string(),
  Key: z.string().openapi({ description: "A mask, but for the one answer in which a new key is shown." }),
  Status: z.boolean().nullable().openapi({ description: "The operator's switch; null = off." }),
  IOLog: z.boolean(),
  AllowAll: z.boolean(),
  Models: z.array(z.string()),
  ExpiresAt: z.iso.datetime({ offset: true }).nullable(),
  UsageCount: z.int(),
  LastUsedAt: z.iso.datetime({ offset: true }).nullable(),
  RequestsPerMinute: limitSchema,
  TokensPerMinute: limitSchema,
  MaxConcurrent: limitSchema,
  BudgetDay: amountSchema,
  BudgetMonth: amountSchema,
  BudgetTotal: amountSchema,
  BudgetCurrency: z.string(),
  Providers: z.array(z.int()).nullable().openapi({ description: "null = all." }),
  Tags: z.array(z.string()),
  Spent: z.object({ day: z.number(), month: z.number(), total: z.number() }).openapi({
    description: "What counts against the budgets, in their currency.",
  }),
  PreviousUntil: momentSchema.openapi({
    description: "Until when the key before the last rotation is taken too; null = it is not.",
  }),
}).openapi("AuthKey");

/** An auth key as llmio's clients read it, with a mask for its key. */
export function authKeyRow(key: AuthKey, spent: Spent, nowMs: number): z.output<typeof authKeySchema> {
  const { previousHash, previousUntilMs } = key;
  return {
    ...rowHead(key),
    Name: key.name,
    Key: key.mask,
    Status: key.status,
    IOLog: key.ioLog,
    AllowAll: key.allowAll,
    Models: key.models,
    ExpiresAt: key.expiresAt,
    UsageCount: key.usageCount,
    LastUsedAt: key.lastUsedAt,
    RequestsPerMinute: key.requestsPerMinute,
    TokensPerMinute: key.tokensPerMinute,
    MaxConcurrent: key.maxConcurrent,
    BudgetDay: key.budgetDay,
    BudgetMonth: key.budgetMonth,
    BudgetTotal: key.budgetTotal,
    BudgetCurrency: key.budgetCurrency,
    Providers: key.providers,
    Tags: key.tags,
    Spent: { ...spent },
    PreviousUntil: previousHash !== "" && previousUntilMs > nowMs ? momentOf(previousUntilMs) : null,
  };
}

/** A key's row without what it has been used for: what lasts. */
export function lastingAuthKeyRow(key: AuthKey) {
  const { Spent: _, UsageCount: __, LastUsedAt: ___, ...lasting } = authKeyRow(key, NOTHING_SPENT, 0);
  return lasting;
}

const NOTHING_SPENT: Spent = { day: 0, month: 0, total: 0 };

/** The fields of a new key. @throws {Fault} */
export function newAuthKeyFields(sent: Fields): AuthKeyFields {
  const valid = validFields(authKeyCreate, sent);
  const fields: AuthKeyFields = {
    name: valid.name,
    status: valid.status ?? true,
    ioLog: valid.io_log,
    allowAll: valid.allow_all ?? false,
    models: valid.models,
    expiresAt: expiry(valid.expires_at),
    requestsPerMinute: valid.requests_per_minute,
    tokensPerMinute: valid.tokens_per_minute,
    maxConcurrent: valid.max_concurrent,
    budgetDay: valid.budget_day,
    budgetMonth: valid.budget_month,
    budgetTotal: valid.budget_total,
    budgetCurrency: valid.budget_currency,
    providers: valid.providers,
    tags: valid.tags,
  };
  refuseUseless(fields);
  return fields;
}

/**
 * The fields to replace.
 *
 * @param changed Fields that were sent and differ from what is stored.
 * @param named Names of all fields that were sent.
 * @throws {Fault}
 */
export function authKeyPatch(
  stored: AuthKey,
  changed: Fields,
  named: Pick<Fields, "has">,
): Partial<AuthKeyFields> {
  const sent = validFields(authKeyUpdate, changed);
  const kept = <Value>(field: string, without: Value) => named.has(field) ? undefined : without;
  const patch = {
    name: sent.name,
    status: sent.status ?? undefined,
    ioLog: sent.io_log ?? kept("io_log", false),
    allowAll: sent.allow_all ?? undefined,
    models: sent.models,
    expiresAt: sent.expires_at === undefined ? kept("expires_at", null) : expiry(sent.expires_at),
    requestsPerMinute: sent.requests_per_minute,
    tokensPerMinute: sent.tokens_per_minute,
    maxConcurrent: sent.max_concurrent,
    budgetDay: sent.budget_day,
    budgetMonth: sent.budget_month,
    budgetTotal: sent.budget_total,
    budgetCurrency: sent.budget_currency,
    providers: sent.providers,
    tags: sent.tags,
  };
  // An old row that has never been of use can still be changed in other ways.
  if (patch.allowAll !== undefined || patch.models !== undefined) {
    refuseUseless({ allowAll: patch.allowAll ?? stored.allowAll, models: patch.models ?? stored.models });
  }
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function refuseUseless({ allowAll, models }: Pick<AuthKeyFields, "allowAll" | "models">): void {
  if (allowAll || models.length > 0) return;
  throw new Fault(
    400,
    "Invalid request body: models must name at least one model when allow_all is false; or set allow_all to true",
  );
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** A time as it is stored, with the digits and the offset that were sent. @throws {Fault} in llmio's words */
function expiry(sent: string | null): string | null {
  if (sent === null) return null;
  if (!RFC3339.test(sent) || parseTime(sent) === null) {
    throw new Fault(400, "Invalid expires_at format, must be RFC3339");
  }
  return toRfc3339(sent);
}

/** Texts: trimmed, without blank ones and repeats; null is none. */
function words(description: string) {
  return z.array(z.string(must("a string")), must("an array of strings")).nullable()
    .transform((texts) => [...new Set((texts ?? []).map((text) => text.trim()).filter(Boolean))])
    .openapi({ description, type: ["array", "null"] });
}

/** A limit; null is none. */
function limit(description: string) {
  const error = must("a whole number, 1 or greater, or null for no limit");
  return z.int(error).min(1, error).nullable().openapi({ description: `${description} null = no limit.` });
}

/** An amount of money; null is no limit. */
function budget(description: string) {
  const error = must("a number, 0 or greater, or null for no limit");
  return z.number(error).min(0, error).nullable().openapi({
    description: `${description} null = no limit.`,
  });
}
