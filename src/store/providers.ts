/** Providers: the upstream accounts (table `providers`). @module */

/** What an operator sets on a provider. */
export interface ProviderFields {
  name: string;
  /** Wire protocol. Rows of older programs may hold anything. */
  type: string;
  /** JSON text with the base URL and the credentials, kept verbatim. It may be invalid in rows of older programs. */
  config: string;
  /** Link to the vendor's console, for people. */
  console: string;
  /** HTTP or SOCKS5 proxy URL for calls to this provider; `""` = none. */
  proxy: string;
  /** Texts, one a line or separated by `;`, that turn a 200 answer into a failure. */
  errorMatcher: string;
  /** Larger is tried first. @default 0 */
  priority?: number;
  /** Top-level members that every main request to it gets. @default none */
  parameterOverrides?: Record<string, unknown> | null;
  /** The model's name at the provider, by the name that associations give. @default none */
  modelAliases?: Record<string, string> | null;
  /** It cannot stream: streams are made of its whole answers. @default false */
  fakeStream?: boolean;
}

/** A live row of `providers`. */
export interface Provider extends ProviderFields {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  /** The operator's switch. */
  enabled: boolean;
}

/** Which providers to list; a missing field does not filter. */
export interface ProviderFilter {
  /** Part of the name, ASCII case-insensitive. */
  name?: string;
  type?: string;
}
