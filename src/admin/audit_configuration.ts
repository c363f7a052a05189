/** The whole configuration as the audit log compares it, for changes that may touch any of it. @module */
import type { HealthService } from "../health/service.ts";
import type { Store } from "../store/store.ts";
import { auditedAssociation, auditedAuthKey, auditedProvider, auditedSetting } from "./audit_rows.ts";
import type { AuditedRow } from "./audit_trail.ts";
import { shownSetting } from "./configs.ts";
import { configRow } from "./health_config.ts";
import { auditedModel } from "./models.ts";

/** Every row with its kind before its id, `provider/3`. */
export async function configurationRows(
  { store, health }: { readonly store: Store; readonly health: HealthService },
): Promise<AuditedRow[]> {
  const { providers, models, associations, authKeys = [] } = await store.routing();
  const settings = (await store.configs.list())
    .map(({ key, value }) => auditedSetting(key, value, shownSetting(key, value)))
    .filter((row) => row !== null);
  return [
    ...ofKind("provider", providers.map(auditedProvider)),
    ...ofKind("model", models.map(auditedModel)),
    ...ofKind("association", associations.map(auditedAssociation)),
    ...ofKind("auth_key", authKeys.map(auditedAuthKey)),
    ...ofKind("setting", settings),
    { id: "health_config", name: "", shown: configRow(health.config) },
  ];
}

function ofKind(kind: string, rows: readonly AuditedRow[]): AuditedRow[] {
  return rows.map((row) => ({ ...row, id: `${kind}/${row.id}` }));
}
