/** Exports the configuration as one JSON file. @module */
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { callerOf } from "../access/admin_tokens.ts";
import { keyHash } from "../access/key_text.ts";
import { sealText } from "../access/sealed_text.ts";
import { Days } from "../accounting/days.ts";
import type { HealthService } from "../health/service.ts";
import type { AuditChanges } from "../store/audit.ts";
import type { AuthKey } from "../store/auth_keys.ts";
import type { Config } from "../store/configs.ts";
import type { RoutingRows } from "../store/store.ts";
import { associationRow } from "./association_fields.ts";
import { lastingAuthKeyRow } from "./auth_key_fields.ts";
import { DOCUMENT_VERSION, type DocumentSecrets, PASSPHRASE_HEADER } from "./config_document.ts";
import { shownSetting } from "./configs.ts";
import type { AdminContext } from "./context.ts";
import { Fault } from "./envelope.ts";
import { configRow } from "./health_config.ts";
import { modelRow } from "./models.ts";
import { providerRow } from "./provider_fields.ts";
import { validQuery } from "./query.ts";
import { route } from "./route.ts";

/** A shorter passphrase is found by trying. */
const PASSPHRASE_FROM = 8;

const SECRETS = ["none", "plain", "encrypted"] as const;

const exportQuery = z.object({
  secrets: z.enum(SECRETS, `secrets must be one of ${SECRETS.join(", ")}`).default("none").openapi({
    description: "none: masked. plain: as they are; keep such a file like the keys themselves. " +
      `encrypted: sealed with the passphrase in the header ${PASSPHRASE_HEADER}.`,
  }),
});

/** Registers the route. It goes before those of `/config/:key`. */
export function configExportRoutes(
  app: OpenAPIHono,
  { store, health, now, timeZone, version }: AdminContext,
): void {
  const days = new Days(timeZone);
  route(app, {
    method: "get",
    path: "/config/export",
    tag: "settings",
    summary: "The configuration as a file that can be imported again, without the envelope",
    query: exportQuery,
    media: ["application/json"],
    faults: [403],
    audit: { action: "config.export", note: auditNote },
  }, async (c, { secrets }) => {
    if (secrets !== "none" && callerOf(c).scope !== "write") {
      throw new Fault(403, "This token may only read, and secrets are more than that; leave ?secrets= out");
    }
    const passphrase = secrets === "encrypted" ? passphraseOf(c) : null;
    const content = { rows: await store.routing(), configs: await store.configs.list(), health };
    const document = {
      version: DOCUMENT_VERSION,
      program: "llmio",
      program_version: version,
      exported_at: new Date(now()).toISOString(),
      secrets,
      ...(secrets === "plain" ? withSecrets(content) : shownParts(content)),
      ...(passphrase === null
        ? {}
        : { sealed_secrets: await sealText(JSON.stringify(secretsIn(content)), passphrase) }),
    };
    const stamp = days.clockOf(now()).replaceAll(/[-:]/g, "").replace(" ", "_");
    return c.body(`${JSON.stringify(document, null, 2)}\n`, 200, {
      "Content-Type": "application/json",
      "Content-Disposition": `attachment; filename="llmio_config_${stamp}.json"`,
    });
  });
}

/** How the secrets have left; without them, an export is a read like any other. */
function auditNote(_: unknown, c: Context): AuditChanges | null {
  const { secrets } = validQuery(c, exportQuery);
  return secrets === "none" ? null : { secrets: [null, secrets] };
}

/** The passphrase that a request brings. @throws {Fault} when there is none, or one that is too short */
function passphraseOf(c: Context): string {
  const passphrase = c.req.header(PASSPHRASE_HEADER) ?? "";
  if (passphrase.length >= PASSPHRASE_FROM) return passphrase;
  throw new Fault(
    400,
    `The header ${PASSPHRASE_HEADER} must hold a passphrase of at least ${PASSPHRASE_FROM} characters`,
  );
}

/** What is exported. */
interface Content {
  readonly rows: RoutingRows;
  readonly configs: readonly Config[];
  readonly health: HealthService;
}

/** Rows oldest first, so that importing them in order keeps the order. */
function shownParts({ rows, configs, health }: Content) {
  const { ID: _, CreatedAt: __, UpdatedAt: ___, DeletedAt: ____, ...healthConfig } = configRow(health.config);
  return {
    providers: byId(rows.providers).map(providerRow),
    models: byId(rows.models).map(modelRow),
    model_providers: byId(rows.associations).map(associationRow),
    auth_keys: byId(rows.authKeys ?? []).map(authKeyShown),
    configs: configs.map(({ key, value }) => ({ key, value: shownSetting(key, value) })),
    health_config: healthConfig,
  };
}

/** What has been spent stays where it was spent. */
function authKeyShown(key: AuthKey) {
  const { PreviousUntil: _, ...row } = lastingAuthKeyRow(key);
  return row;
}

function withSecrets(content: Content) {
  const { rows, configs } = content;
  const shown = shownParts(content);
  const secrets = secretsIn(content);
  return {
    ...shown,
    providers: shown.providers.map((row) => ({ ...row, ...secrets.providers[row.ID] })),
    model_providers: byId(rows.associations).map((row) => ({
      ...associationRow(row),
      CustomerHeaders: row.customerHeaders,
    })),
    auth_keys: shown.auth_keys.map((row) => ({ ...row, ...secrets.auth_keys[row.ID] })),
    configs: configs.map(({ key, value }) => ({ key, value })),
  };
}

function secretsIn({ rows, configs }: Content): DocumentSecrets {
  return {
    providers: Object.fromEntries(
      rows.providers.map((row) => [row.id, { Config: row.config, Console: row.console, Proxy: row.proxy }]),
    ),
    model_providers: Object.fromEntries(rows.associations.map((row) => [row.id, row.customerHeaders ?? {}])),
    configs: Object.fromEntries(configs.map(({ key, value }) => [key, value])),
    auth_keys: Object.fromEntries(
      (rows.authKeys ?? []).map((key) => [key.id, { Hash: keyHash(key), Key: key.mask }]),
    ),
  };
}

function byId<Row extends { readonly id: number }>(rows: readonly Row[]): Row[] {
  return rows.toSorted((one, other) => one.id - other.id);
}
