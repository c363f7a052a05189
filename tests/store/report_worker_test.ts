/** Reports keep nobody waiting. @module */
import assert from "node:assert/strict";
import { GatewayProcess } from "../books/gateway_process.ts";
import { inFolder, log, withStore } from "./fixtures.ts";

Deno.test("what requests wait for is answered while reports are read", () =>
  inFolder((folder) =>
    withStore({ path: `${folder}/llmio.db` }, async (store) => {
      await store.logs.write({ inserts: Array.from({ length: 2_000 }, () => log()), updates: [] });
      await store.logs.traffic(0);
      const answered: string[] = [];
      const reports = Array.from({ length: 100 }, () =>
        store.logs.page({ name: "gpt-4o" }, { page: 2, pageSize: 500 }).then(() =>
          answered.push("report")
        ));
      const owner = store.responseOwners.find("resp_1").then(() => answered.push("owner"));
      await Promise.all([...reports, owner]);
      assert.ok(answered.indexOf("owner") < 50, `answered after ${answered.indexOf("owner")} reports`);
    })
  ));

Deno.test({
  name: "the thread that reads reports lets all others go first",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      await using gateway = await GatewayProcess.start(folder);
      const { pid } = gateway.process;
      assert.deepEqual(await lowPriorities(pid), []);
      for (const report of ["/logs", "/usage", "/dashboard/stats"]) {
        await gateway.admin("GET", report);
        assert.deepEqual(await lowPriorities(pid), ["19"], report);
      }
    }),
});

/** The priorities of a process's threads that are not the usual one. */
async function lowPriorities(pid: number): Promise<string[]> {
  // The runtime itself may read nothing there.
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `cat /proc/${pid}/task/*/stat`] }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  // The 19th field; names, the second one, may hold blanks (proc_pid_stat(5)).
  const priorities = lines.map((line) => line.slice(line.lastIndexOf(")") + 2).split(" ")[16] ?? "");
  return priorities.filter((priority) => priority !== "0");
}
