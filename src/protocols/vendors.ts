/** How the providers of each protocol are called. @module */
import type { Protocol, Vendor } from "./protocol.ts";

/** https://platform.openai.com/docs/api-reference/authentication */
const openai: Vendor = {
  headers: (_upstream, secret) => secret === "" ? {} : { authorization: `Bearer ${secret}` },
};

/** https://docs.claude.com/en/api/overview; a version that the client has chosen stays, beta names of both sides go on. */
const anthropic: Vendor = {
  headers: ({ version, beta }, secret, passed) => {
    const betas = [passed["anthropic-beta"] ?? "", beta].filter((names) => names !== "").join(",");
    return {
      ...(secret !== "" && { "x-api-key": secret }),
      "anthropic-version": passed["anthropic-version"] ?? version,
      ...(betas !== "" && { "anthropic-beta": betas }),
    };
  },
};

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
