/** No secret, prompt or answer turns up where it does not belong, whatever goes wrong. @module */
import assert from "node:assert/strict";
import { Canaries } from "./canaries.ts";
import { CapturedProcess } from "./captured_process.ts";
import { type Output, Scenario } from "./scenario.ts";

Deno.test("canary: nothing secret is in any log, answer, table, export or metric, whatever goes wrong", async () => {
  const canaries = new Canaries();
  const folder = await Deno.makeTempDir();
  const token = canaries.plant("the admin token");
  const env = { TOKEN: token, LLMIO_SECRET: canaries.plant("the secret of the database") };
  const gateway = await CapturedProcess.start(folder, env);
  try {
    await using scenario = await Scenario.start(gateway.url, token, canaries);
    await scenario.play();
    assert.equal(scenario.good, 8);
    const log = await gateway.stop();
    // It was as talkative as it can be.
    assert.ok((log.match(/"level":"(INFO|WARN)"/g) ?? []).length > 50, log.slice(0, 2_000));
    assert.match(log, /"level":"DEBUG"/);
    const outputs = [...scenario.outputs, { where: "the log", text: log }, ...await filesIn(folder)];
    assert.ok(outputs.length > 400);
    const leaks = outputs.flatMap(({ where, text }) =>
      canaries.in(text).map((leak) => `${where} shows ${leak}`)
    );
    assert.equal(leaks.length, 0, leaks.slice(0, 20).join("\n"));
  } finally {
    await gateway.kill();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("canary: eight characters of one are found, in base64 too, and the four of a mask are not", () => {
  const canaries = new Canaries();
  const secret = canaries.plant("a secret", "sk-");
  assert.deepEqual(canaries.in(`key ****${secret.slice(-4)}`), []);
  assert.deepEqual(canaries.in("sk-"), []);
  assert.match(canaries.in(`key ${secret.slice(9, 17)}`).join(), /^a secret: /);
  for (const before of ["", "u", "us", "use", "user:"]) {
    assert.equal(canaries.in(btoa(before + secret.slice(3))).length, 1, before);
  }
});

/** The database, what stands beside it, and whatever else the gateway has written. */
async function filesIn(folder: string): Promise<Output[]> {
  const files: Output[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    files.push({
      where: name,
      text: new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/${name}`)),
    });
  }
  assert.ok(files.some(({ where }) => where === "llmio.db"));
  return files;
}
