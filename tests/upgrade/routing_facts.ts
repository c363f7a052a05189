/** What a gateway says of its routing, and what it should say by the rows of an old program. @module */
import type { Row, TestGateway } from "../integration/test_gateway.ts";
import { type Cells, type FileCells, NULL, numberCell, textOf } from "./cells.ts";
import type { Sample } from "./samples.ts";

/** What a request needs. */
const WISHES = ["none", "tools", "structured_output", "image"] as const;
type Wish = (typeof WISHES)[number];
const CAPABILITY: Readonly<Record<Exclude<Wish, "none">, string>> = {
  tools: "tool_call",
  structured_output: "structured_output",
  image: "image",
};
const PROTOCOLS = ["openai", "openai-res", "anthropic", "gemini"];

/** Live rows as the admin API shows them, by id. */
export interface ShownRows {
  readonly providers: Record<number, Row>;
  readonly models: Record<number, Row>;
  readonly associations: Record<number, Row>;
}

/** Who would serve which request: ids of associations, for each model, protocol and wish. */
export type Candidates = Record<string, readonly number[]>;

/** Reads the rows through the admin API. */
export async function shownRows(gateway: TestGateway): Promise<ShownRows> {
  const providers = await gateway.admin<Row[]>("GET", "/providers");
  const { data: models } = await gateway.admin<{ data: Row[] }>("GET", "/models?page_size=100");
  const associations: Row[] = [];
  for (const { ID } of models) {
    associations.push(...await gateway.admin<Row[]>("GET", `/model-providers?model_id=${ID}`));
  }
  return { providers: byId(providers), models: byId(models), associations: byId(associations) };
}

/** Asks who would serve, for each key of the candidates that are expected. */
export async function candidatesOf(gateway: TestGateway, expected: Candidates): Promise<Candidates> {
  const answers: Candidates = {};
  for (const key of Object.keys(expected)) {
    const [model, protocol, wish] = JSON.parse(key) as [string, string, Wish];
    const { candidates } = await gateway.admin<{ candidates: { association_id: number }[] }>(
      "POST",
      "/explain",
      {
        model,
        protocol,
        ...(wish !== "none" && { [wish]: true }),
      },
    );
    answers[key] = candidates.map(({ association_id }) => association_id).sort((a, b) => a - b);
  }
  return answers;
}

/**
 * Who would serve by the old program's rows: live associations of the oldest live model of that name that are not
 * switched off, have a live and usable provider of the protocol and are capable of what is wished.
 */
export function expectedCandidates(rows: FileCells, { takesUnsetAsYes }: Sample): Candidates {
  const live = (table: string) => [...rows.get(table) ?? []].filter(([, row]) => row["deleted_at"] === NULL);
  const providers = new Map(live("providers"));
  const expected: Candidates = {};
  const seen = new Set<string>();
  for (const [id, model] of live("models")) {
    const name = textOf(model["name"]);
    if (name === "" || name.length > 200 || seen.has(name)) continue;
    seen.add(name);
    const mine = live("model_with_providers").filter(([, row]) => row["model_id"] === numberCell(id));
    for (const protocol of PROTOCOLS) {
      const fit = mine.filter(([, row]) => {
        const provider = providers.get(Number(textOf(row["provider_id"])));
        return provider !== undefined && textOf(provider["type"]) === protocol && isUsable(provider) &&
          row["status"] !== numberCell(0);
      });
      if (fit.length === 0) continue;
      for (const wish of WISHES) {
        const able = fit.filter(([, row]) =>
          wish === "none" || isCapable(row, CAPABILITY[wish], takesUnsetAsYes)
        );
        expected[JSON.stringify([name, protocol, wish])] = able.map(([number]) => number);
      }
    }
  }
  return expected;
}

/** Whether an old row says yes, by what its program takes as such. */
export function isCapable(row: Cells, column: string, takesUnsetAsYes: (row: Cells) => boolean): boolean {
  const cell = row[column] ?? NULL;
  return cell === NULL ? takesUnsetAsYes(row) : ["1", "true"].includes(textOf(cell));
}

function isUsable(provider: Cells): boolean {
  try {
    return typeof JSON.parse(textOf(provider["config"])).base_url === "string";
  } catch {
    return false;
  }
}

function byId(rows: readonly Row[]): Record<number, Row> {
  return Object.fromEntries(rows.map((row) => [row.ID, row]));
}
