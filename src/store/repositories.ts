/** All calls of the store, as a worker serves them. @module */
import { allAssociations, associationsRepository } from "./associations_repository.ts";
import type { Groups } from "./calls.ts";
import { healthRepository } from "./health_repository.ts";
import { liveStateRepository } from "./live_state_repository.ts";
import { logsRepository } from "./logs_repository.ts";
import { modelsRepository } from "./models_repository.ts";
import { providersRepository } from "./providers_repository.ts";
import type { Session, Synchronous } from "./session.ts";

/** The calls by group, synchronous. */
export type Repositories = { [Group in keyof Groups]: Synchronous<Groups[Group]> };

/** Makes the calls for one connection. */
export function repositories(session: Session): Repositories {
  const providers = providersRepository(session);
  const models = modelsRepository(session);
  return {
    providers,
    models,
    associations: associationsRepository(session),
    logs: logsRepository(session),
    health: healthRepository(session),
    liveState: liveStateRepository(session),
    whole: {
      routing: () => ({
        providers: providers.list({}),
        models: models.list(),
        associations: allAssociations(session),
      }),
      ping: () => {
        session.database.get("SELECT 1 FROM schema_migrations LIMIT 1");
      },
    },
  };
}
