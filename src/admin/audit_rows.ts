/** Providers, associations, auth keys and settings as the audit log compares them. @module */
import { configSecrets } from "../access/config_secrets.ts";
import { maskHeaders } from "../access/header_secrets.ts";
import { keyHash } from "../access/key_text.ts";
import { urlSecrets } from "../access/url_secrets.ts";
import type { Association } from "../store/associations.ts";
import type { AuthKey } from "../store/auth_keys.ts";
import type { Provider } from "../store/providers.ts";
import type { Store } from "../store/store.ts";
import { associationRow } from "./association_fields.ts";
import type { Audit, AuditedRow } from "./audit_trail.ts";
import { lastingAuthKeyRow } from "./auth_key_fields.ts";
import { providerRow } from "./provider_fields.ts";

/** The audit of something that is done to one provider. */
export function providerAudit(
  action: `provider.${string}`,
  { providers }: Pick<Store, "providers">,
): Audit {
  return {
    action,
    row: async (id) => {
      const provider = await providers.get(id);
      return provider && auditedProvider(provider);
    },
  };
}

/** The audit of something that is done to one association. */
export function associationAudit(
  action: `association.${string}`,
  { associations }: Pick<Store, "associations">,
): Audit {
  return {
    action,
    row: async (id) => {
      const association = await associations.get(id);
      return association && auditedAssociation(association);
    },
  };
}

/** The audit of something that is done to one auth key. */
export function authKeyAudit(
  action: `auth_key.${string}`,
  { authKeys }: Pick<Store, "authKeys">,
): Audit {
  return {
    action,
    row: async (id) => {
      const key = await authKeys.get(id);
      return key && auditedAuthKey(key);
    },
  };
}

/** A provider as the audit log compares it. */
export function auditedProvider(provider: Provider): AuditedRow {
  return {
    id: String(provider.id),
    name: provider.name,
    shown: providerRow(provider),
    secrets: {
      Config: configSecrets(provider.config),
      Console: urlSecrets(provider.console),
      Proxy: urlSecrets(provider.proxy),
    },
  };
}

/** An association as the audit log compares it; it goes by the name of its model at the provider. */
export function auditedAssociation(association: Association): AuditedRow {
  const headers = association.customerHeaders ?? {};
  const masked = maskHeaders(headers);
  return {
    id: String(association.id),
    name: association.providerModel,
    shown: associationRow(association),
    secrets: {
      CustomerHeaders: Object.entries(headers).filter(([name, value]) => masked[name] !== value)
        .map(([, value]) => value),
    },
  };
}

/** An auth key as the audit log compares it. What it was used for meanwhile is no change. */
export function auditedAuthKey(key: AuthKey): AuditedRow {
  return {
    id: String(key.id),
    name: key.name,
    shown: { ...lastingAuthKeyRow(key), BudgetBaseline: key.budgetBaseline },
    secrets: { Key: [keyHash(key)] },
  };
}

/** A setting as the audit log compares it; `null` = it is not stored. @param shown Its value as reads show it. */
export function auditedSetting(key: string, value: string | undefined, shown: string): AuditedRow | null {
  if (value === undefined) return null;
  return { id: key, name: key, shown: { value: shown }, secrets: { value: configSecrets(value) } };
}
