import assert from "node:assert/strict";
import { join } from "node:path";
import { TestGateway } from "../integration/test_gateway.ts";
import { rawGet } from "./raw_get.ts";
import { SECRET, UiFolder } from "./ui_folder.ts";

/** `..` and the slash after it, in the spellings that servers have fallen for. */
const UPS = [
  "../",
  "..%2f",
  "..%2F",
  "%2e%2e/",
  "%2E%2E/",
  "%2e%2e%2f",
  ".%2e/",
  "%2e./",
  "..\\",
  "..%5c",
  "%2e%2e%5C",
  "%252e%252e/",
  "..%252f",
  "%25252e%25252e%25252f",
  "..//",
  "..;/",
  ".../",
  "....//",
  "..%00/",
  "..%c0%af",
  "%c0%ae%c0%ae/",
  "%uff0e%uff0e/",
  "．．/",
  "..%ef%bc%8f",
  "..%09/",
  "..%0d%0a/",
];
const STARTS = ["/", "//", "/assets/", "/sub/", "/admin/", "/./", "/sub/page/", "/%2f", "/\\", "/.git/"];
const TARGETS = ["secret.txt", "dist-other/secret.txt"];

Deno.test("no spelling of a path leaves the folder", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const up of UPS) {
    const targets = STARTS.flatMap((start) =>
      TARGETS.flatMap((target) => [1, 2, 3].map((times) => start + up.repeat(times) + target))
    );
    const answers = await Promise.all(targets.map((target) => rawGet(gateway.url, target)));
    for (const [index, { status, text }] of answers.entries()) {
      assert.ok(!text.includes(SECRET), `${targets[index]}: ${text}`);
      assert.ok(status === 404 || status === 400, `${targets[index]}: ${status}`);
    }
  }
});

Deno.test("absolute paths, /etc/passwd and the reported spellings find nothing", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const secret = join(folder.parent, "secret.txt");
  for (
    const target of [
      "/admin/..%2f..%2fetc/passwd",
      "/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
      "/assets/..%5c..%5c..%5c..%5cetc%5cpasswd",
      "//etc/passwd",
      "/%2fetc%2fpasswd",
      "/file:///etc/passwd",
      "/C:/Windows/win.ini",
      "/index.html::$DATA",
      secret,
      `/${secret}`,
      `/%2f${secret.slice(1).replaceAll("/", "%2f")}`,
    ]
  ) {
    const { status, text } = await rawGet(gateway.url, target);
    assert.equal(status, 404, `${target}: ${text}`);
    assert.doesNotMatch(text, /root:|outside of the web UI/);
  }
});

Deno.test("NUL and control characters in a path find nothing and break nothing", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (
    const target of [
      "/index.html%00",
      "/%00",
      "/index.html%00.js",
      "/assets/app-abc123.js%00.png",
      "/index.html%0a",
      "/%7f",
      "/%",
      "/%zz",
      "/%e0%a4%a",
      "/%ff%fe",
      `/${"a".repeat(5_000)}`,
      `/${"a/".repeat(3_000)}`,
    ]
  ) {
    const { status, text } = await rawGet(gateway.url, target);
    assert.equal(status, 404, `${target.slice(0, 40)}: ${text.slice(0, 300)}`);
    assert.match(text, /application\/json/);
  }
  assert.equal((await rawGet(gateway.url, "/index.html")).status, 200);
});

Deno.test("a spelling that walks back into the folder shows a page at most", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (const target of ["/../secret.txt", "/..%2fsecret.txt", "/.env", "/.git/config"]) {
    const { status, text } = await rawGet(gateway.url, target, { accept: "text/html" });
    assert.equal(status, 200, target);
    assert.match(text, /fixture UI/);
    assert.ok(!text.includes(SECRET), target);
  }
});

Deno.test("files and folders whose name begins with a dot are not there", async () => {
  await using folder = await UiFolder.make();
  await folder.write("sub/.hidden", SECRET);
  await folder.write(".well-known/security.txt", SECRET);
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  for (
    const target of [
      "/.env",
      "/%2eenv",
      "/.git/config",
      "/%2egit/config",
      "/sub/.hidden",
      "/sub/%2ehidden",
      "/sub//.hidden",
      "/.well-known/security.txt",
      "/.",
      "/./.env",
    ]
  ) {
    const { status, text } = await rawGet(gateway.url, target);
    assert.equal(status, 404, `${target}: ${text}`);
  }
});

Deno.test(
  "a link may point into the folder, but not out of it, nor to a hidden file",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using folder = await UiFolder.make();
    const link = (target: string, path: string) => Deno.symlink(target, join(folder.path, path));
    await link("assets/app-abc123.js", "inside.js");
    await link("assets", "linked-folder");
    await link("../secret.txt", "outside.txt");
    await link(join(folder.parent, "secret.txt"), "absolute.txt");
    await link("..", "parent");
    await link("../dist-other", "neighbour");
    await link("outside.txt", "chain.txt");
    await link(".env", "env.txt");
    await link("loop", "loop");
    await link("nowhere", "dangling");
    await using gateway = await TestGateway.start({ "ui-dir": folder.path });
    for (const target of ["/inside.js", "/linked-folder/app-abc123.js", "/assets/app-abc123.js"]) {
      const { status, text } = await rawGet(gateway.url, target);
      assert.equal(status, 200, target);
      assert.match(text, /drawn for/);
      assert.match(text, /content-type: text\/javascript/i);
    }
    for (
      const target of [
        "/outside.txt",
        "/absolute.txt",
        "/parent/secret.txt",
        "/parent/dist-other/secret.txt",
        "/neighbour/secret.txt",
        "/chain.txt",
        "/env.txt",
        "/loop",
        "/dangling",
      ]
    ) {
      const { status, text } = await rawGet(gateway.url, target);
      assert.equal(status, 404, `${target}: ${text}`);
    }
  },
);

Deno.test(
  "the folder itself may be a link, and may be pointed elsewhere while the server runs",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using folder = await UiFolder.make();
    const current = join(folder.parent, "current");
    await Deno.symlink("dist", current);
    await using gateway = await TestGateway.start({ "ui-dir": current });
    assert.match((await rawGet(gateway.url, "/")).text, /fixture UI/);
    await Deno.mkdir(join(folder.parent, "next"));
    await Deno.writeTextFile(join(folder.parent, "next", "index.html"), "<title>the next UI</title>");
    await Deno.symlink("next", join(folder.parent, "new-link"));
    await Deno.rename(join(folder.parent, "new-link"), current);
    assert.match((await rawGet(gateway.url, "/")).text, /the next UI/);
  },
);

Deno.test(
  "what is no file is not there, and nobody waits for it",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using folder = await UiFolder.make();
    const pipe = join(folder.path, "pipe");
    const made = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assert.ok(made.success);
    await using gateway = await TestGateway.start({ "ui-dir": folder.path });
    for (const target of ["/pipe", "/assets", "/sub"]) {
      assert.equal((await rawGet(gateway.url, target)).status, 404, target);
    }
  },
);
