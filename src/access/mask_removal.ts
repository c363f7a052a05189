/**
 * Takes masks out of texts that come from another gateway, where the secrets behind them stay.
 *
 * What is left can be stored: a member that is missing keeps the stored secret, or is none.
 *
 * @module
 */
import { parseJsonObject } from "./json_text.ts";
import { isMask, isSecretName } from "./secrets.ts";

/** A config without the members that only masks stand in. A text without any, or that is no config, stays as it is. */
export function withoutMaskedMembers(text: string): string {
  if (!text.includes("***") || parseJsonObject(text) === null) return text;
  const left = without(JSON.parse(text), false);
  return left.changed ? JSON.stringify(left.value) : text;
}

/** A URL without the credentials that only masks stand in. */
export function urlWithoutMasks(text: string): string {
  if (!text.includes("***")) return text;
  return text
    .replace(/^(\s*[a-z][a-z0-9+.-]*:\/\/)?[^/?#\s]*\*{3,4}@/i, "$1")
    .replace(/([?&])[^?=&#]+=([^&#]*)/g, (whole, mark, value) => isMask(value) ? mark : whole)
    .replace(/\?&+/, "?")
    .replace(/&{2,}/g, "&")
    .replace(/(?<![?&])[?&]+(?=#|$)/, "");
}

/** `value` undefined = nothing is left. */
interface Left {
  readonly value: unknown;
  readonly changed: boolean;
}

function without(value: unknown, secret: boolean): Left {
  if (typeof value === "string") {
    if (secret && isMask(value)) return { value: undefined, changed: true };
    const url = urlWithoutMasks(value);
    return { value: url, changed: url !== value };
  }
  if (typeof value !== "object" || value === null) return { value, changed: false };
  if (Array.isArray(value)) {
    // A pool of which keys are missing is not the pool: all of it is left out.
    const items = value.map((item) => without(item, secret));
    const changed = items.some((item) => item.changed);
    return { value: changed && secret ? undefined : items.map((item) => item.value), changed };
  }
  const members = Object.entries(value).map(([member, each]) =>
    [member, without(each, secret || isSecretName(member))] as const
  );
  return {
    value: Object.fromEntries(
      members.filter(([, { value }]) => value !== undefined).map(([member, { value }]) => [member, value]),
    ),
    changed: members.some(([, { changed }]) => changed),
  };
}
