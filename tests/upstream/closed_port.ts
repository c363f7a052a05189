/** A place where nobody answers. @module */

/** A port on which somebody has listened, and nobody does. */
export function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
