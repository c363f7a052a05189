/** How the providers of each protocol are called. @module */
import type { Protocol, Vendor } from "./protocol.ts";

/** https://platform.openai.com/docs/api-reference/authentication */
const openai: Vendor = {
  headers: (_upstream, secret) => secret === "" ? {} : { authorization: `Bearer ${secret}` },
};

/**
 * https://docs.claude.com/en/api/versioning and https://docs.claude.com/en/api/beta-headers. A version that the client
 * has chosen stays. What the client (or `customer_headers` in its place) says of betas is kept as it is; those of the
 * provider's config are added where they are missing.
 */
const anthropic: Vendor = {
  headers: ({ version, beta }, secret, passed) => {
    const betas = joinedNames(passed["anthropic-beta"] ?? "", beta);
    return {
      ...(secret !== "" && { "x-api-key": secret }),
      "anthropic-version": passed["anthropic-version"] ?? version,
      ...(betas !== "" && { "anthropic-beta": betas }),
    };
  },
};

/** A list of names in a header, with those of another list that it does not have. */
function joinedNames(list: string, others: string): string {
  const known = new Set(namesOf(list));
  return [...(known.size > 0 ? [list] : []), ...namesOf(others).filter((name) => !known.has(name))].join(",");
}

function namesOf(list: string): string[] {
  return list.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** https://ai.google.dev/gemini-api/docs/api-key; a key in the URL would end up in logs. */
const gemini: Vendor = {
  headers: (_upstream, secret) => secret === "" ? {} : { "x-goog-api-key": secret },
};

/** The vendor of each protocol. */
export const VENDORS: Readonly<Record<Protocol, Vendor>> = {
  openai,
  "openai-res": openai,
  anthropic,
  gemini,
};
