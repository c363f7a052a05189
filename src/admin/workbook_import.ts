/** Imports providers, models and associations from a workbook, and hands out its template. @module */
import type { UpstreamPolicy } from "../access/upstream_policy.ts";
import type { Context } from "@hono/hono";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { RowReference } from "../store/batch.ts";
import { associationCreate, newAssociation } from "./association_fields.ts";
import { configurationRows } from "./audit_configuration.ts";
import { validFields } from "./body.ts";
import type { AdminContext } from "./context.ts";
import { Fault, success } from "./envelope.ts";
import { ImportPlan } from "./import_plan.ts";
import { mergedModel, modelCreate, NEW_MODEL } from "./models.ts";
import { mergedProvider, NEW_PROVIDER, providerCreate } from "./provider_fields.ts";
import { route } from "./route.ts";
import {
  readWorkbook,
  type SheetName,
  type SheetRow,
  templateWorkbook,
  UnreadableWorkbook,
  type Workbook,
} from "./workbook.ts";

const tag = "settings";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/** Largest upload, in bytes. */
const UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024;

const sheetSchema = z.object({
  total: z.int(),
  imported: z.int(),
  skipped: z.int().openapi({ description: "Rows that exist already." }),
  errors: z.array(z.object({
    row: z.int().openapi({ description: "Number of the row in its sheet; 0 = the sheet is missing." }),
    field: z.string(),
    error: z.string(),
  })),
});
type SheetResult = z.output<typeof sheetSchema>;

const importSchema = z.object({
  providers: sheetSchema,
  models: sheetSchema,
  associations: sheetSchema,
  summary: z.object({ total_imported: z.int(), total_skipped: z.int(), total_errors: z.int() }),
}).openapi("WorkbookImport");

const uploadSchema = z.object({
  file: z.string().openapi({ format: "binary", description: "The workbook; its name ends in .xlsx." }),
}).openapi("WorkbookUpload");

const templateQuery = z.object({
  sample: z.string().optional().openapi({ description: "true: with two example rows a sheet." }),
});

/** Registers the routes. They go before those of `/config/:key`. */
export function workbookRoutes(app: OpenAPIHono, context: AdminContext): void {
  const { store, writes, upstreamPolicy } = context;
  route(app, {
    method: "post",
    path: "/config/batch-import",
    tag,
    summary: "Import the valid rows of a workbook in one transaction, and say what is wrong with the others",
    body: uploadSchema,
    bodyMedia: "multipart/form-data",
    bodyLimitBytes: UPLOAD_LIMIT_BYTES,
    data: importSchema,
    audit: {
      action: "config.batch_import",
      rows: () => configurationRows(context),
      note: ({ summary }) => ({ imported: [null, summary] }),
    },
  }, async (c) => {
    const workbook = await workbookIn(await uploadedFile(c));
    return success(
      c,
      await writes.run(async () => {
        const reader = new WorkbookReader(new ImportPlan(await store.routing(), "skip"), upstreamPolicy);
        const result = reader.read(workbook);
        await reader.plan.write(store);
        return result;
      }),
    );
  });

  route(app, {
    method: "get",
    path: "/config/batch-import/template",
    tag,
    summary: "An empty workbook to fill in",
    query: templateQuery,
    media: [XLSX],
  }, async (c, { sample }) => {
    const withSamples = sample === "true";
    const name = `llmio_batch_import_template${withSamples ? "_with_sample" : ""}.xlsx`;
    return c.body(new Uint8Array(await templateWorkbook(withSamples)), 200, {
      "Content-Type": XLSX,
      "Content-Disposition": `attachment; filename="${name}"`,
    });
  });
}

async function uploadedFile(c: Context): Promise<Uint8Array<ArrayBuffer>> {
  let form: FormData;
  try {
    form = await c.req.formData();
  } catch {
    throw new Fault(
      400,
      "Invalid request body: send the workbook as multipart/form-data, in a part named file",
    );
  }
  const file = form.get("file");
  if (!(file instanceof File)) throw new Fault(400, "Invalid request body: the part named file is missing");
  if (!/\.xlsx$/i.test(file.name)) {
    throw new Fault(400, "Invalid request body: the file's name must end in .xlsx");
  }
  return await file.bytes();
}

async function workbookIn(bytes: Uint8Array<ArrayBuffer>): Promise<Workbook> {
  try {
    return await readWorkbook(bytes);
  } catch (error) {
    if (error instanceof UnreadableWorkbook) throw new Fault(400, `Invalid request body: ${error.message}`);
    throw error;
  }
}

/** A row's fault with the column that it is in. */
class CellFault extends Error {
  constructor(readonly field: string, message: string) {
    super(message);
  }
}

/** Reads the rows of a workbook into a plan. */
class WorkbookReader {
  constructor(readonly plan: ImportPlan, readonly policy: UpstreamPolicy) {}

  read(workbook: Workbook): z.output<typeof importSchema> {
    const providers = this.#sheet(workbook, "Providers", (row) => this.#provider(row));
    const models = this.#sheet(workbook, "Models", (row) => this.#model(row));
    const associations = this.#sheet(workbook, "Associations", (row) => this.#association(row));
    const all = [providers, models, associations];
    return {
      providers,
      models,
      associations,
      summary: {
        total_imported: all.reduce((sum, { imported }) => sum + imported, 0),
        total_skipped: all.reduce((sum, { skipped }) => sum + skipped, 0),
        total_errors: all.reduce((sum, { errors }) => sum + errors.length, 0),
      },
    };
  }

  #sheet(workbook: Workbook, name: SheetName, add: (row: SheetRow) => "skipped" | string): SheetResult {
    const rows = workbook[name];
    const result: SheetResult = { total: rows?.length ?? 0, imported: 0, skipped: 0, errors: [] };
    if (rows === null) result.errors.push({ row: 0, field: "", error: `Sheet ${name} is missing` });
    for (const row of rows ?? []) {
      try {
        if (add(row) === "skipped") result.skipped++;
        else result.imported++;
      } catch (error) {
        result.errors.push({ row: row.number, ...faultOf(error) });
      }
    }
    return result;
  }

  #provider({ cells }: SheetRow): string {
    const fields = new Map<string, unknown>(cells);
    const sent = validFields(providerCreate, fields);
    return this.plan.addProvider(
      sent.name,
      () => ({ fields: mergedProvider(NEW_PROVIDER, sent, this.policy), enabled: true }),
    );
  }

  #model({ cells }: SheetRow): string {
    const fields = new Map<string, unknown>(cells);
    const number = (column: string, field: string) => {
      const cell = cells.get(column);
      fields.delete(column);
      if (cell !== undefined) fields.set(field, wholeNumber(column, cell));
    };
    number("max_retry", "max_retry");
    number("timeout", "time_out");
    const sent = validFields(modelCreate, fields);
    return this.plan.addModel(
      sent.name,
      () => ({ fields: mergedModel(NEW_MODEL, sent), displayOrder: null }),
    );
  }

  #association({ cells }: SheetRow): string {
    const model = this.#end("model_name", cells, (name) => this.plan.modelNamed(name));
    const provider = this.#end("provider_name", cells, (name) => this.plan.providerNamed(name));
    const providerModel = cells.get("provider_model");
    if (providerModel === undefined) throw new CellFault("provider_model", "is required");
    const weight = cells.get("weight");
    const sent = validFields(
      associationCreate,
      new Map<string, unknown>([
        // The ends are filled in when the rows are written.
        ["model_id", 1],
        ["provider_id", 1],
        ["provider_name", providerModel],
        ...["tool_call", "structured_output", "image"].map((flag): [string, unknown] => [
          flag,
          cells.get(flag)?.toLowerCase() === "true",
        ]),
        ...(weight === undefined ? [] : [["weight", wholeNumber("weight", weight)] as [string, unknown]]),
      ]),
    );
    const { modelId: _, providerId: __, ...fields } = newAssociation(sent);
    return this.plan.addAssociation(
      { model, provider },
      sent.provider_name,
      () => ({ fields, enabled: true }),
    );
  }

  #end(
    column: string,
    cells: SheetRow["cells"],
    find: (name: string) => RowReference | null,
  ): RowReference {
    const name = cells.get(column);
    if (name === undefined) throw new CellFault(column, "is required");
    const reference = find(name);
    if (reference !== null) return reference;
    // A cell can be long, and thousands of rows may be told about.
    throw new CellFault(column, `there is none named ${JSON.stringify(name.slice(0, 100))}`);
  }
}

function wholeNumber(column: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new CellFault(column, "must be a whole number");
  return Number(text);
}

/** Messages of refusals begin with the field's name in bodies; sheets call one of them otherwise. */
function faultOf(error: unknown): { field: string; error: string } {
  if (error instanceof CellFault) return { field: error.field, error: error.message };
  if (!(error instanceof Fault)) throw error;
  const message = error.message.replace(/^Invalid request body: /, "");
  const field = /^[a-z_]+/.exec(message)?.[0] ?? "";
  return { field: field === "time_out" ? "timeout" : field, error: message };
}
