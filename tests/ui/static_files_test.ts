import assert from "node:assert/strict";
import { join } from "node:path";
import { readSettings } from "../../src/settings.ts";
import { startServer } from "../../src/server.ts";
import { TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { rawGet } from "./raw_get.ts";
import { FILES, PAGE, SCRIPT, UiFolder } from "./ui_folder.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

async function get(
  url: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(url, { method, headers, redirect: "manual" });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("files are sent whole, with their content type and without a token", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const types = {
    "/": ["text/html; charset=utf-8", "index.html"],
    "/index.html": ["text/html; charset=utf-8", "index.html"],
    "/favicon.svg": ["image/svg+xml; charset=utf-8", "favicon.svg"],
    "/assets/app-abc123.js": ["text/javascript; charset=utf-8", "assets/app-abc123.js"],
    "/assets/app-abc123.css": ["text/css; charset=utf-8", "assets/app-abc123.css"],
    "/sub/page": ["application/octet-stream", "sub/page"],
    "/sub/with%20blank.txt": ["text/plain; charset=utf-8", "sub/with blank.txt"],
    "/docs": ["text/html; charset=utf-8", "docs/index.html"],
    "/docs/": ["text/html; charset=utf-8", "docs/index.html"],
  } as const;
  for (const [path, [type, file]] of Object.entries(types)) {
    const answer = await get(gateway.url + path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.text, FILES[file], path);
    assert.equal(answer.headers.get("content-type"), type, path);
    assert.equal(answer.headers.get("content-length"), String(new TextEncoder().encode(FILES[file]).length));
  }
});

Deno.test("a large file is sent whole", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const text = "0123456789abcdef".repeat(200_000);
  await folder.write("assets/large-0a1b2c3d.js", text);
  const answer = await get(`${gateway.url}/assets/large-0a1b2c3d.js`);
  assert.equal(answer.text.length, text.length);
  assert.ok(answer.text === text);
});

Deno.test("HEAD of a file says what GET would, without the file", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const path of ["/assets/app-abc123.js", "/index.html", "/providers"]) {
    const whole = await get(gateway.url + path, HTML);
    const head = await get(gateway.url + path, HTML, "HEAD");
    assert.equal(head.status, 200, path);
    assert.equal(head.text, "");
    for (const name of ["content-type", "content-length", "etag", "last-modified", "cache-control"]) {
      assert.equal(head.headers.get(name), whole.headers.get(name), `${path}: ${name}`);
    }
  }
});

Deno.test("hashed assets are kept for ever, everything else is asked for again", async () => {
  await using folder = await UiFolder.make();
  await folder.write("assets/index-DyyUqIXJ.js", "");
  await folder.write("assets/index-De_u-x1X.css", "");
  await folder.write("loose-DyyUqIXJ.js", "");
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const path of ["app-abc123.js", "app-abc123.css", "index-DyyUqIXJ.js", "index-De_u-x1X.css"]) {
    const { headers } = await get(`${gateway.url}/assets/${path}`);
    assert.equal(headers.get("cache-control"), "public, max-age=31536000, immutable", path);
  }
  const others = [
    "",
    "index.html",
    "favicon.svg",
    "assets/plain-component.js",
    "loose-DyyUqIXJ.js",
    "logs/3",
  ];
  for (const path of others) {
    const { headers } = await get(`${gateway.url}/${path}`, HTML);
    assert.equal(headers.get("cache-control"), "no-cache", path);
  }
});

Deno.test("a file that the browser has is answered with 304, and sent again once it has changed", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const path of ["/", "/providers", "/assets/app-abc123.js"]) {
    const url = gateway.url + path;
    const first = await get(url, HTML);
    const tag = first.headers.get("etag") ?? "";
    const date = first.headers.get("last-modified") ?? "";
    assert.match(tag, /^W\/"[\w-]+"$/);
    for (
      const condition of [
        { "if-none-match": tag },
        { "if-none-match": `"other", ${tag}` },
        { "if-none-match": "*" },
        { "if-modified-since": date },
        { "if-none-match": tag, "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" },
      ]
    ) {
      const again = await get(url, { ...HTML, ...condition } as Record<string, string>);
      assert.equal(again.status, 304, `${path}: ${JSON.stringify(condition)}`);
      assert.equal(again.text, "");
      assert.equal(again.headers.get("etag"), tag);
      assert.equal(again.headers.get("cache-control"), first.headers.get("cache-control"));
    }
    for (
      const condition of [
        { "if-none-match": '"other"' },
        { "if-none-match": '"other"', "if-modified-since": date },
        { "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" },
        { "if-modified-since": "no date" },
      ]
    ) {
      const again = await get(url, { ...HTML, ...condition } as Record<string, string>);
      assert.equal(again.status, 200, `${path}: ${JSON.stringify(condition)}`);
    }
  }
  const old = (await get(`${gateway.url}/`)).headers.get("etag") ?? "";
  await folder.write("index.html", "<title>new</title>");
  const changed = await get(`${gateway.url}/`, { "if-none-match": old });
  assert.equal(changed.status, 200);
  assert.equal(changed.text, "<title>new</title>");
});

Deno.test("the folder may be replaced while the server runs", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  assert.equal((await get(`${gateway.url}/assets/app-abc123.js`)).text, SCRIPT);
  await Deno.rename(folder.path, join(folder.parent, "old"));
  assert.equal((await get(`${gateway.url}/`, HTML)).status, 404);
  await folder.write("index.html", "<title>second build</title>");
  await folder.write("assets/app-def456.js", "second");
  assert.equal((await get(`${gateway.url}/`, HTML)).text, "<title>second build</title>");
  assert.equal((await get(`${gateway.url}/assets/app-def456.js`)).text, "second");
  assert.equal((await get(`${gateway.url}/assets/app-abc123.js`, HTML)).status, 404);
});

Deno.test("pages and files carry headers that keep foreign pages and scripts out", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const path of ["/", "/providers", "/favicon.svg", "/assets/app-abc123.js"]) {
    const { headers } = await get(gateway.url + path, HTML);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("x-frame-options"), "DENY", path);
    assert.equal(headers.get("referrer-policy"), "no-referrer", path);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /object-src 'none'/);
    assert.doesNotMatch(policy, /unsafe-eval|script-src[^;]*unsafe/);
    assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("access-control-")), []);
  }
});

Deno.test("a path that the UI draws itself gets the page, for who takes HTML alone", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (
    const path of ["/providers", "/logs/12/chat-io", "/model-providers?modelId=3", "/login/", "/apis", "/v2"]
  ) {
    const page = await get(gateway.url + path, HTML);
    assert.equal(page.status, 200, path);
    assert.equal(page.text, PAGE, path);
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(page.headers.get("vary") ?? "", /accept/i);
    for (const accept of ["*/*", "application/json", "image/svg+xml,image/*"]) {
      const other = await get(gateway.url + path, { accept });
      assert.equal(other.status, 404, `${path}: ${accept}`);
      assert.equal(JSON.parse(other.text).code, 404);
    }
  }
});

Deno.test("an asset that is not there is a 404, even for who takes HTML", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const answer = await get(`${gateway.url}/assets/gone-1a2b3c4d.js`, HTML);
  assert.equal(answer.status, 404);
  assert.match(answer.headers.get("content-type") ?? "", /json/);
});

Deno.test("the gateway's own paths stay as they are: no page, no file", async () => {
  await using folder = await UiFolder.make();
  await using plain = await TestGateway.start();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const paths = [
    "/api",
    "/api/",
    "/api/stolen.json",
    "/api/providers",
    "/%61pi/stolen.json",
    "/v1",
    "/v1/stolen.json",
  ];
  for (const root of ["/v1beta", "/openai", "/anthropic", "/gemini", "/metrics", "/healthz", "/readyz"]) {
    paths.push(root, `${root}/`, `${root}/unknown`, `${root}/index.html`);
  }
  for (const path of paths) {
    for (const method of ["GET", "HEAD", "POST"]) {
      const [want, got] = [
        await get(plain.url + path, HTML, method),
        await get(gateway.url + path, HTML, method),
      ];
      assert.equal(got.status, want.status, `${method} ${path}`);
      assert.equal(got.headers.get("content-type"), want.headers.get("content-type"), `${method} ${path}`);
      // Trace ids and times differ.
      assert.equal(got.text.length, want.text.length, `${method} ${path}: ${got.text}`);
      assert.doesNotMatch(got.headers.get("content-type") ?? "", /html/);
    }
  }
});

Deno.test("only GET and HEAD take files", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    for (const path of ["/", "/index.html", "/assets/app-abc123.js", "/providers"]) {
      const answer = await get(gateway.url + path, HTML, method);
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.equal(JSON.parse(answer.text).code, 404);
    }
  }
});

Deno.test("HEAD / answers 200 with a UI and without one, and GET / without one is a 404 as before", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  await using plain = await TestGateway.start();
  for (const { url } of [gateway, plain]) assert.equal((await get(`${url}/`, {}, "HEAD")).status, 200);
  const answer = await get(`${plain.url}/`, HTML);
  assert.equal(answer.status, 404);
  assert.equal(JSON.parse(answer.text).code, 404);
});

Deno.test("without a token a foreign page gets no files, and is told why", async () => {
  await using folder = await UiFolder.make();
  await using open = await TestGateway.start({ "ui-dir": folder.path, token: "" });
  await using closed = await TestGateway.start({ "ui-dir": folder.path });
  const host = `evil.example:${new URL(open.url).port}`;
  const origin = "https://evil.example";
  for (const path of ["/", "/providers", "/assets/app-abc123.js"]) {
    assert.equal((await get(open.url + path, HTML)).status, 200, path);
    assert.equal((await get(open.url + path, { ...HTML, origin: open.url })).status, 200, path);
    const foreignOrigin = await get(open.url + path, { ...HTML, origin });
    assert.equal(foreignOrigin.status, 403, path);
    assert.match(JSON.parse(foreignOrigin.text).message, /Origin is foreign; set TOKEN/);
    const foreignHost = await rawGet(open.url, path, { ...HTML, host });
    assert.equal(foreignHost.status, 403, path);
    assert.match(foreignHost.text, /Host is not a loopback name;.* set TOKEN/);
    assert.equal((await get(closed.url + path, { ...HTML, origin })).status, 200, path);
    assert.equal((await rawGet(closed.url, path, { ...HTML, host })).status, 200, path);
  }
});

Deno.test("the start fails on a folder without a web UI, in one line that names it", async () => {
  await using folder = await UiFolder.make();
  const empty = join(folder.parent, "empty");
  const onlyFolder = join(folder.parent, "strange");
  await Deno.mkdir(empty);
  await Deno.mkdir(join(onlyFolder, "index.html"), { recursive: true });
  const wrong: [path: string, reason: RegExp][] = [
    [join(folder.parent, "missing"), /is no folder/],
    [join(folder.parent, "secret.txt"), /is no folder/],
    [empty, /holds no index\.html/],
    [onlyFolder, /holds no index\.html/],
  ];
  for (const [path, reason] of wrong) {
    const read = readSettings({ port: "0", db: ":memory:", token: TOKEN, "ui-dir": path }, {});
    assert.ok(read.ok);
    await assert.rejects(startServer(read.settings), (error: Error) => {
      assert.equal(error.name, "UiFolderProblem");
      assert.match(error.message, reason);
      assert.ok(error.message.startsWith(`--ui-dir: ${path} `));
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});
