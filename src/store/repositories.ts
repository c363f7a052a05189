/** All calls of the store, as a worker serves them. @module */
import { adminTokensRepository } from "./admin_tokens_repository.ts";
import { allAssociations, associationsRepository } from "./associations_repository.ts";
import { auditRepository } from "./audit_repository.ts";
import { authKeysRepository } from "./auth_keys_repository.ts";
import { batchApplier } from "./batch_repository.ts";
import type { Groups } from "./calls.ts";
import { chatIoRepository } from "./chat_io_repository.ts";
import { configsRepository } from "./configs_repository.ts";
import { encryptionRepository } from "./encryption_rows.ts";
import { healthRepository } from "./health_repository.ts";
import { liveStateRepository } from "./live_state_repository.ts";
import { logCleanupRepository } from "./log_cleanup_repository.ts";
import { logsRepository } from "./logs_repository.ts";
import { modelsRepository } from "./models_repository.ts";
import { providersRepository } from "./providers_repository.ts";
import { responseOwnersRepository } from "./response_owners_repository.ts";
import type { Session, Synchronous } from "./session.ts";
import { usageRepository } from "./usage_repository.ts";

/** The calls by group, synchronous. */
export type Repositories = { [Group in keyof Groups]: Synchronous<Groups[Group]> };

/** Makes the calls for one connection. */
export function repositories(session: Session): Repositories {
  const providers = providersRepository(session);
  const models = modelsRepository(session);
  const associations = associationsRepository(session);
  const health = healthRepository(session);
  const configs = configsRepository(session);
  const authKeys = authKeysRepository(session);
  return {
    providers,
    models,
    associations,
    logs: logsRepository(session),
    chatIo: chatIoRepository(session),
    usage: usageRepository(session),
    logCleanup: logCleanupRepository(session),
    health,
    liveState: liveStateRepository(session),
    configs,
    encryption: encryptionRepository(session),
    responseOwners: responseOwnersRepository(session),
    authKeys,
    adminTokens: adminTokensRepository(session),
    audit: auditRepository(session),
    whole: {
      routing: () => ({
        providers: providers.list({}),
        models: models.list(),
        associations: allAssociations(session),
        countTokens: configs.get("anthropic_count_tokens")?.value ?? "",
        authKeys: authKeys.list(),
      }),
      apply: batchApplier(session, { providers, models, associations, authKeys, configs, health }),
      ping: () => {
        session.database.get("SELECT 1 FROM schema_migrations LIMIT 1");
      },
    },
  };
}
