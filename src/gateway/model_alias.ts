/** Names that stand for others: what a provider calls the model that its associations name. @module */
import type { ProviderFields } from "../store/providers.ts";

/** The model's own name at a provider, where `name` is an alias there; else `name`. One step: aliases are no chain. */
export function withoutAlias({ modelAliases }: Pick<ProviderFields, "modelAliases">, name: string): string {
  const aliases = modelAliases ?? {};
  return Object.hasOwn(aliases, name) ? aliases[name] ?? name : name;
}
