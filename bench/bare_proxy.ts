/**
 * The least that a gateway on this platform can be: `Deno.serve`, `fetch`, and the body passed through. It shows what
 * the platform costs, so that the rest is the gateway's own. Arguments: the upstream's URL. Prints its port.
 *
 * @module
 */
const [upstream = ""] = Deno.args;
const quiet = { onListen() {}, onError: () => new Response(null, { status: 500 }) };
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, ...quiet }, async (request) => {
  const response = await fetch(`${upstream}${new URL(request.url).pathname}`, {
    method: request.method,
    headers: { "content-type": "application/json", "accept-encoding": "identity" },
    body: await request.bytes(),
    redirect: "manual",
  });
  const headers = new Headers(response.headers);
  headers.delete("transfer-encoding");
  return new Response(response.body, { status: response.status, headers });
});
await Deno.stdout.write(new TextEncoder().encode(`${server.addr.port}\n`));
