/** How each protocol lists its models. @module */
import { asArray, asCount, asObject, asString } from "./json_access.ts";
import type { Protocol, Upstream } from "./protocol.ts";

/** A model as a provider lists it. */
export interface ListedModel {
  readonly id: string;
  readonly object: string;
  /** Unix seconds; 0 = unknown. */
  readonly created: number;
  readonly owned_by: string;
}

/** One page of a list, and the path of the next one. */
export interface ListedPage {
  readonly models: readonly ListedModel[];
  /** `null` = this was the last page. */
  readonly next: string | null;
}

/** A protocol's list. */
export interface ModelListing {
  /** Path of the first page under the base URL. */
  readonly path: string;
  headers(upstream: Upstream, secret: string): [name: string, value: string][];
  readPage(body: unknown): ListedPage;
}

const bearer: ModelListing["headers"] = (_upstream, secret) =>
  secret === "" ? [] : [["authorization", `Bearer ${secret}`]];

/** https://platform.openai.com/docs/api-reference/models/list; the list has one page. */
const openai: ModelListing = {
  path: "/models",
  headers: bearer,
  readPage: (body) => ({
    models: asArray(asObject(body)?.data).flatMap((entry) => {
      const model = asObject(entry);
      const id = asString(model?.id);
      if (id === "") return [];
      return [{
        id,
        object: asString(model?.object),
        created: asCount(model?.created) ?? 0,
        owned_by: asString(model?.owned_by),
      }];
    }),
    next: null,
  }),
};

/** https://docs.claude.com/en/api/models-list */
const anthropic: ModelListing = {
  path: "/models?limit=1000",
  headers: ({ version }, secret) => [
    ...(secret === "" ? [] : [["x-api-key", secret] as [string, string]]),
    ["anthropic-version", version],
  ],
  readPage: (body) => {
    const page = asObject(body);
    const last = asString(page?.last_id);
    return {
      models: asArray(page?.data).flatMap((entry) => {
        const model = asObject(entry);
        const id = asString(model?.id);
        const created = Math.floor(Date.parse(asString(model?.created_at)) / 1000) || 0;
        return id === "" ? [] : [{ id, object: "", created, owned_by: "" }];
      }),
      next: page?.has_more === true && last !== ""
        ? `/models?limit=1000&after_id=${encodeURIComponent(last)}`
        : null,
    };
  },
};

/** https://ai.google.dev/api/models#method:-models.list; ids keep their `models/`, as in llmio. */
const gemini: ModelListing = {
  path: "/models?pageSize=1000",
  headers: (_upstream, secret) => secret === "" ? [] : [["x-goog-api-key", secret]],
  readPage: (body) => {
    const page = asObject(body);
    const token = asString(page?.nextPageToken);
    return {
      models: asArray(page?.models).flatMap((entry) => {
        const id = asString(asObject(entry)?.name);
        return id === "" ? [] : [{ id, object: "model", created: 0, owned_by: "google" }];
      }),
      next: token === "" ? null : `/models?pageSize=1000&pageToken=${encodeURIComponent(token)}`,
    };
  },
};

/** The list of each protocol. */
export const MODEL_LISTINGS: Readonly<Record<Protocol, ModelListing>> = {
  openai,
  "openai-res": openai,
  anthropic,
  gemini,
};
