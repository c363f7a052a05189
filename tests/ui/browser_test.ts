import assert from "node:assert/strict";
import { TestGateway } from "../integration/test_gateway.ts";
import { UiFolder } from "./ui_folder.ts";

const CHROMIUM = "/usr/bin/chromium";

const isThere = await Deno.stat(CHROMIUM).then(({ isFile }) => isFile, () => false);

/** The page as a browser has drawn it, and what its console said. */
async function drawn(url: string): Promise<{ dom: string; log: string }> {
  const profile = await Deno.makeTempDir({ prefix: "llmio-chromium-" });
  try {
    const { success, stdout, stderr } = await new Deno.Command(CHROMIUM, {
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-proxy-server",
        `--user-data-dir=${profile}`,
        "--enable-logging=stderr",
        "--virtual-time-budget=10000",
        "--dump-dom",
        url,
      ],
    }).output();
    const decoder = new TextDecoder();
    const log = decoder.decode(stderr);
    assert.ok(success, log);
    return { dom: decoder.decode(stdout), log };
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
}

Deno.test(
  "a browser runs the UI's scripts on every path, lets it call the gateway and keeps inline scripts out",
  { ignore: !isThere },
  async () => {
    await using folder = await UiFolder.make();
    await using gateway = await TestGateway.start({ "ui-dir": folder.path });
    for (const path of ["/", "/logs/3/chat-io"]) {
      const { dom, log } = await drawn(gateway.url + path);
      assert.match(dom, new RegExp(`>drawn for ${path}<`), log);
      assert.match(dom, /data-gateway="ok"/);
      assert.doesNotMatch(dom, /data-inline/);
      assert.match(log, /inline script/);
      // The one refusal: what the UI itself loads is let through, its styles inside of the page too.
      assert.equal(log.match(/Content Security Policy/g)?.length, 1, log);
    }
  },
);
