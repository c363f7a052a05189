/**
 * Takes secrets out of texts before they are logged, stored, exported or sent: whatever is stored as a secret now
 * ({@linkcode holdSecrets}), and whatever looks like one (`secret_shapes.ts`). Answers that a provider gives to a
 * client's satisfaction are no business of it: their bytes pass as they are.
 *
 * @module
 */
import { configSecrets } from "./config_secrets.ts";
import { SecretIndex } from "./scrub_index.ts";
import { withoutShapes } from "./secret_shapes.ts";
import { isSecretName } from "./secrets.ts";
import { urlSecrets } from "./url_secrets.ts";

/** The rows that hold secrets. */
export interface SecretRows {
  readonly providers: readonly { readonly config: string; readonly proxy: string }[];
  readonly associations: readonly {
    readonly customerHeaders: Readonly<Record<string, string>> | null;
  }[];
  /** The setting `anthropic_count_tokens`. */
  readonly countTokens?: string | undefined;
}

/**
 * Everything secret that goes to a provider: what its config and its proxy hold, and credentials among the headers of
 * its associations, with and without their scheme.
 */
export function secretsOf(
  { config, proxy }: { readonly config: string; readonly proxy: string },
  headers: Iterable<readonly [name: string, value: string]>,
): string[] {
  const inHeaders = [...headers].filter(([name]) => isSecretName(name))
    .flatMap(([, value]) => [value, value.split(/\s+/).at(-1) ?? ""]);
  return [...configSecrets(config), ...urlSecrets(proxy), ...inHeaders];
}

/** Every secret of the configuration. Of clients' keys only hashes are kept; they are known by their shape. */
export function storedSecrets({ providers, associations, countTokens = "" }: SecretRows): string[] {
  return [
    ...providers.flatMap((provider) => secretsOf(provider, [])),
    ...associations.flatMap(({ customerHeaders }) =>
      secretsOf({ config: "", proxy: "" }, Object.entries(customerHeaders ?? {}))
    ),
    ...configSecrets(countTokens),
  ];
}

/** The secrets that one gateway of this process has in force. */
export interface HeldSecrets extends Disposable {
  /** These take the place of the ones before, which stay known for a while: calls with them may be under way. */
  replace(secrets: Iterable<string>): void;
}

/** A stored secret that is shorter could be an ordinary word, and would be looked for in every text of all providers. */
const HELD_FROM = 8;
/** So many secrets that are not in force any more stay known. */
const FORMER_MAX = 1_000;

class Held implements HeldSecrets {
  readonly #fixed: readonly string[];
  #current: ReadonlySet<string> = new Set();
  readonly #former = new Set<string>();
  #index: SecretIndex | null = null;

  constructor(fixed: readonly string[]) {
    this.#fixed = fixed;
  }

  replace(secrets: Iterable<string>): void {
    const next = new Set(secrets);
    for (const secret of this.#current) if (!next.has(secret)) this.#former.add(secret);
    for (const secret of this.#former) if (this.#former.size > FORMER_MAX) this.#former.delete(secret);
    if (next.symmetricDifference(this.#current).size > 0) this.#index = null;
    this.#current = next;
  }

  /** Built when it is first needed: not every change of the configuration is followed by a text to scrub. */
  get index(): SecretIndex {
    return this.#index ??= new SecretIndex(
      [...this.#fixed, ...this.#current, ...this.#former].filter(({ length }) => length >= HELD_FROM),
    );
  }

  [Symbol.dispose](): void {
    held.delete(this);
  }
}

/** Those of all gateways of this process: its log is one. */
const held = new Set<Held>();

/**
 * Makes secrets known to everything here, until the result is disposed of.
 *
 * @param fixed those that are in force as long as the gateway runs; `null` = one that is not set
 * @example
 * ```ts
 * using secrets = holdSecrets([settings.token, settings.secret]);
 * secrets.replace(storedSecrets(rows));
 * withoutSecrets("no such key: sk-1234567890"); // no such key: ****
 * ```
 */
export function holdSecrets(fixed: readonly (string | null)[] = []): HeldSecrets {
  const secrets = new Held(fixed.filter((secret) => secret !== null).map((secret) => secret.trim()));
  held.add(secrets);
  return secrets;
}

/**
 * A text from outside, or one that quotes it, with `****` in place of each secret: of those given, of those in force
 * and of whatever looks like one.
 *
 * @param secrets Further ones, which may not be stored or are short.
 */
export function withoutSecrets(text: string, secrets: readonly string[] = []): string {
  return withoutShapes(withoutKnownSecrets(text, secrets));
}

/** The same for a text that is kept on purpose, such as a recorded answer: what merely looks like a secret stays. */
export function withoutKnownSecrets(text: string, secrets: readonly string[] = []): string {
  if (text === "") return text;
  let clean = secrets.length === 0 ? text : indexOf(secrets).without(text);
  for (const { index } of held) clean = index.without(clean);
  return clean;
}

/** Lists of secrets are made once for each routing table and used often. */
const indices = new WeakMap<readonly string[], SecretIndex>();

function indexOf(secrets: readonly string[]): SecretIndex {
  let index = indices.get(secrets);
  if (index === undefined) indices.set(secrets, index = new SecretIndex(secrets));
  return index;
}
