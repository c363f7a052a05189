/** The proxies that the process's environment names, as the runtime's HTTP client reads them. @module */

/** Says what the environment's proxies have to do with a host. */
export interface EnvironmentProxies {
  /**
   * `"proxied"` = calls go through one; `"exempt"` = there is one, but not for this host; `null` = there is none.
   *
   * @param protocol of the call, `http:` or `https:`
   */
  of(protocol: string, hostname: string): "proxied" | "exempt" | null;
}

/** Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not. */
export function environmentProxies(read: (name: string) => string | undefined): EnvironmentProxies {
  const value = (name: string) => read(name) || read(name.toLowerCase()) || "";
  const all = value("ALL_PROXY") !== "";
  const schemes: Readonly<Record<string, boolean>> = {
    "http:": all || value("HTTP_PROXY") !== "",
    "https:": all || value("HTTPS_PROXY") !== "",
  };
  const exempt = value("NO_PROXY").split(",").map((entry) => entry.trim().toLowerCase().replace(/^\*?\./, ""))
    .filter((entry) => entry !== "");
  return {
    of(protocol, hostname) {
      if (schemes[protocol] !== true) return null;
      const isExempt = exempt.some((entry) =>
        entry === "*" || hostname === entry || hostname.endsWith(`.${entry}`)
      );
      return isExempt ? "exempt" : "proxied";
    },
  };
}
