/** Imports the groups that OrchestrationApi exports: all of them or nothing. @module */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { configurationRows } from "./audit_configuration.ts";
import { readJson } from "./body.ts";
import { DOCUMENT_LIMIT_BYTES } from "./config_import.ts";
import type { AdminContext } from "./context.ts";
import { success } from "./envelope.ts";
import { ImportPlan } from "./import_plan.ts";
import { type OrchestrationExport, readExport } from "./orchestration_import_document.ts";
import { OrchestrationPlanner } from "./orchestration_import_plan.ts";
import { route } from "./route.ts";

const MODES = ["skip", "update"] as const;
const importQuery = z.object({
  mode: z.enum(MODES, `mode must be one of ${MODES.join(", ")}`).default("skip").openapi({
    description:
      "What becomes of groups whose names are those of providers: skip leaves those, update replaces them.",
  }),
  dry_run: z.enum(["true", "false"], "dry_run must be true or false").default("false").openapi({
    description: "true: answer what would happen, and change nothing.",
  }),
});

const group = z.looseObject({ group_name: z.string(), provider_type: z.string() });
const importBody = z.union([z.array(group), z.looseObject({ groups: z.array(group) })]).openapi(
  "OrchestrationExport",
  { description: "The exported groups, alone or as `groups`; `proxy_keys` beside them are taken too." },
);

const fate = z.enum(["created", "updated", "skipped"]);
const counts = z.object({ created: z.int(), updated: z.int(), skipped: z.int() });
const reports = (what: string) =>
  z.array(z.object({ name: z.string(), fate, messages: z.array(z.string()) })).openapi({ description: what });
const importSchema = z.object({
  dry_run: z.boolean(),
  message: z.string(),
  providers: counts,
  models: counts,
  associations: counts,
  auth_keys: counts,
  groups: reports("What became of each group, and what of it did not come along."),
  proxy_keys: reports("The same of the keys of clients."),
}).openapi("OrchestrationImport");

/** Registers the route. */
export function orchestrationImportRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, writes } = context;
  route(app, {
    method: "post",
    path: "/import/orchestration",
    tag: "settings",
    summary: "Import the groups of an OrchestrationApi in one transaction",
    query: importQuery,
    body: importBody,
    bodyLimitBytes: DOCUMENT_LIMIT_BYTES,
    data: importSchema,
    faults: [409, 422],
    audit: { action: "config.import", rows: () => configurationRows(context) },
  }, async (c, { mode, dry_run: dryRun }) => {
    const document = readExport(await readJson(c));
    if (dryRun === "true") return success(c, answer(await planned(document, mode, context), true));
    const done = await writes.run(async () => {
      const planner = await planned(document, mode, context);
      await planner.plan.write(store);
      return planner;
    });
    return success(c, answer(done, false));
  });
}

async function planned(
  document: OrchestrationExport,
  mode: (typeof MODES)[number],
  { store, upstreamPolicy }: AdminContext,
): Promise<OrchestrationPlanner> {
  const planner = new OrchestrationPlanner(new ImportPlan(await store.routing(), mode), upstreamPolicy);
  planner.read(document);
  return planner;
}

function answer(
  { plan, groups, proxyKeys }: OrchestrationPlanner,
  dryRun: boolean,
): z.output<typeof importSchema> {
  const { providers, models, associations, auth_keys } = plan.counts;
  const written = [providers, models, associations, auth_keys].reduce(
    (sum, each) => sum + each.created + each.updated,
    0,
  );
  const skipped = groups.filter((each) => each.fate === "skipped").length;
  return {
    dry_run: dryRun,
    message:
      `${dryRun ? "Would import" : "Imported"} ${written} rows from ${groups.length - skipped} groups, ` +
      `skipped ${skipped} groups`,
    providers,
    models,
    associations,
    auth_keys,
    groups,
    proxy_keys: proxyKeys,
  };
}
