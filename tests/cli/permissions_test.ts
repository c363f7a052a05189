import assert from "node:assert/strict";
import { METADATA_ADDRESSES } from "../../src/protocols/metadata_host.ts";
import { SETTINGS } from "../../src/settings.ts";
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** Permission flags of a task's command, quotes taken off. */
function permissionsOf(task: "start" | "dev" | "compile"): string[] {
  const words = config.tasks[task].command.split(" ").map((word) => word.replaceAll("'", ""));
  return words.filter((word) => /^(?:-A$|-P|--(?:allow|deny)-|--no-prompt$|--permission-set)/.test(word));
}

/** What code inside the serving process could do. */
async function tried(permissions: readonly string[]): Promise<Record<string, unknown>> {
  const dir = await Deno.makeTempDir();
  try {
    const unset = Object.fromEntries(SETTINGS.map(({ env }) => [env, ""]));
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", ...permissions, "tests/cli/permission_probe.ts", `${dir}/ready.json`],
        ...["--port", "0", "--db", ":memory:", "--log-level", "error"],
      ],
      cwd: ROOT,
      env: { ...unset, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
    }).output();
    const [, line] = new TextDecoder().decode(stdout).split("\n");
    assert.ok(line, new TextDecoder().decode(stderr));
    return JSON.parse(line);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const task of ["start", "dev", "compile"] as const) {
  Deno.test(`the task ${task} grants files, environment, priorities and network without metadata services, asks for nothing`, () => {
    const bracketed = METADATA_ADDRESSES.map((address) => address.includes(":") ? `[${address}]` : address);
    assert.deepEqual(permissionsOf(task), [
      "--no-prompt",
      "--allow-net",
      `--deny-net=${bracketed.join(",")}`,
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-sys=setPriority",
    ]);
  });
}

Deno.test("the process that serves can run no program, load no native code and reach no metadata service", async () => {
  const { query, ...tries } = await tried(permissionsOf("start"));
  // What is not granted is called so; nobody is asked, for the task says that nobody is.
  assert.deepEqual(query, { run: "prompt", ffi: "prompt", sys: "prompt" });
  assert.deepEqual(tries, {
    serves: 200,
    run: "NotCapable",
    runFromNode: "refused",
    loadLibrary: "NotCapable",
    dlopenFromNode: "NotCapable",
    hostname: "NotCapable",
    metadata: "NotCapable",
    mappedMetadata: "NotCapable",
  });
});

Deno.test("a gateway that was started with every permission gives up those for programs and native code", async () => {
  const { query, ...tries } = await tried(["-A"]);
  assert.equal(tries.serves, 200);
  assert.deepEqual([tries.run, tries.loadLibrary, tries.dlopenFromNode], Array(3).fill("NotCapable"));
  // What has been given up is called denied or, where prompts are off, prompt.
  const states = query as Record<string, string>;
  assert.ok(
    states.run !== "granted" && states.ffi !== "granted" && states.sys === "granted",
    JSON.stringify(query),
  );
});
