/** Writes many changes in one transaction, by the calls that write one. Lives in the workers. @module */
import type {
  AssociationWrite,
  AuthKeyWrite,
  Batch,
  BatchResult,
  ModelWrite,
  ProviderWrite,
  RowReference,
} from "./batch.ts";
import { whole } from "./columns.ts";
import type { Repositories } from "./repositories.ts";
import type { Session } from "./session.ts";
import { MissingReference } from "./store.ts";

/** What a batch is written by. */
type Parts = Pick<Repositories, "providers" | "models" | "associations" | "authKeys" | "configs" | "health">;

/** The batch call of the store. Whatever it throws undoes all of it, since each call is one transaction. */
export function batchApplier({ database }: Session, parts: Parts): (batch: Batch) => BatchResult {
  return (batch) => {
    const providers = batch.providers.map((write) => writeProvider(write, parts));
    const models = batch.models.map((write) => {
      const id = writeModel(write, parts);
      if (write.displayOrder !== null) {
        database.run("UPDATE models SET display_order = ? WHERE id = ?", whole(write.displayOrder), id);
      }
      return id;
    });
    const associations = batch.associations.map((write) =>
      writeAssociation(write, {
        modelId: idOf("model_id", write.model, models),
        providerId: idOf("provider_id", write.provider, providers),
      }, parts)
    );
    for (const write of batch.authKeys) writeAuthKey(write, providers, parts);
    for (const { key, value } of batch.configs) parts.configs.set(key, value);
    if (batch.healthConfig !== null) parts.health.setConfig(batch.healthConfig);
    return { providers, models, associations };
  };
}

function writeProvider({ id, fields, enabled }: ProviderWrite, { providers }: Parts): number {
  const row = id === null ? providers.create(fields) : providers.update(id, fields);
  if (row === null) throw new MissingReference("provider", id ?? 0);
  if (row.enabled !== enabled) providers.setEnabled(row.id, enabled);
  return row.id;
}

function writeModel({ id, fields }: ModelWrite, { models }: Parts): number {
  const row = id === null ? models.create(fields) : models.update(id, fields);
  if (row === null) throw new MissingReference("model", id ?? 0);
  return row.id;
}

function writeAssociation(
  { id, fields, enabled }: AssociationWrite,
  ends: { readonly modelId: number; readonly providerId: number },
  { associations }: Parts,
): number {
  const whole = { ...fields, ...ends };
  const row = id === null ? associations.create(whole) : associations.update(id, whole);
  if (row === null) throw new MissingReference("association", id ?? 0);
  if ((row.status ?? true) !== enabled) associations.setEnabled(row.id, enabled);
  return row.id;
}

function writeAuthKey(
  { id, fields, providers, secret }: AuthKeyWrite,
  written: readonly number[],
  { authKeys }: Parts,
): void {
  const whole = {
    ...fields,
    providers: providers?.map((reference) => idOf("providers", reference, written)) ?? null,
  };
  const row = id === null ? authKeys.create(whole, secret) : authKeys.update(id, whole);
  if (row === null) throw new MissingReference("auth key", id ?? 0);
}

function idOf(field: string, reference: RowReference, written: readonly number[]): number {
  const id = "id" in reference ? reference.id : written[reference.write];
  if (id === undefined) throw new MissingReference(field, 0);
  return id;
}
