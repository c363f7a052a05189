import assert from "node:assert/strict";
import { runProgram, type ServeFlags, VERSION } from "../../src/cli/program.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { SETTINGS } from "../../src/settings.ts";
import { record, type RecordedRun } from "./recorded_run.ts";

interface Run extends RecordedRun {
  /** What `serve` was given, if it ran. */
  readonly flags: ServeFlags | undefined;
}

async function run(...args: string[]): Promise<Run> {
  let flags: ServeFlags | undefined;
  const serve = (given: ServeFlags) => {
    flags = given;
    return Promise.resolve(0);
  };
  const said = await record((terminal) => runProgram(args, { terminal, serve }));
  return { ...said, flags };
}

Deno.test("runProgram() serves when no command is named", async () => {
  for (const args of [["--port", "0"], ["serve", "--port", "0"], ["serve", "--port=0"]]) {
    const { code, flags, out, err } = await run(...args);
    assert.equal(code, 0);
    assert.equal(flags?.port, "0");
    assert.equal(out + err, "");
  }
});

Deno.test("runProgram() hands every setting's flag to serve under its name", async () => {
  const args = SETTINGS.flatMap(({ flag }) => [`--${flag}`, `value of ${flag}`]);
  const { flags } = await run(...args);
  assert.deepEqual(flags, Object.fromEntries(SETTINGS.map(({ flag }) => [flag, `value of ${flag}`])));
});

Deno.test("runProgram() answers with the exit code of serve", async () => {
  const terminal: Terminal = { out: () => {}, err: () => {} };
  assert.equal(await runProgram([], { terminal, serve: () => Promise.resolve(2) }), 2);
});

Deno.test("runProgram() prints the version of deno.json", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(VERSION, config.version);
  for (const flag of ["--version", "-V"]) {
    assert.deepEqual(await run(flag), { code: 0, out: `llmio ${VERSION}\n`, err: "", flags: undefined });
  }
});

Deno.test("runProgram() explains every flag, variable and default under --help", async () => {
  for (const args of [["--help"], ["-h"], ["serve", "--help"]]) {
    const { code, out, err, flags } = await run(...args);
    assert.deepEqual({ code, err, flags }, { code: 0, err: "", flags: undefined });
    const words = out.replace(/\s+/g, " ");
    for (const entry of SETTINGS) {
      assert.ok(
        words.includes(`--${entry.flag} <${entry.value}> ${entry.help.replaceAll("`", "")}`),
        entry.flag,
      );
      assert.ok(words.includes(`[${entry.env}; default: ${entry.default}]`), entry.env);
    }
  }
});

Deno.test("runProgram() keeps the help within 112 columns", async () => {
  const { out } = await run("--help");
  assert.deepEqual(out.split("\n").filter((line) => line.length > 112), []);
});

Deno.test("runProgram() answers a wrong call with one line and exit code 2", async () => {
  const cases: [args: string[], problem: RegExp][] = [
    [["--prot", "1"], /unknown option '--prot' \(Did you mean --port\?\)/],
    [["serve", "--nonsense"], /unknown option '--nonsense'/],
    [["--port"], /option '--port <port>' argument missing/],
    [["sevre"], /unknown command "sevre"/],
    [["serve", "now"], /unknown command "now"/],
  ];
  for (const [args, problem] of cases) {
    const { code, out, err, flags } = await run(...args);
    assert.deepEqual({ code, out, flags }, { code: 2, out: "", flags: undefined });
    assert.match(err, problem);
    assert.match(err, /^llmio: [^\n]*; see llmio --help\n$/);
  }
});
