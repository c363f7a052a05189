import { equal, rejects } from "node:assert/strict";
import { StoreError } from "../../src/store/errors.ts";
import { WorkerLink } from "../../src/store/worker_link.ts";

function startWorker(source: string): WorkerLink {
  return new WorkerLink(new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" }));
}

function isClosed(error: unknown): boolean {
  return error instanceof StoreError && error.reason === "closed";
}

Deno.test("a worker that dies rejects every pending call and all later ones", async () => {
  const link = startWorker(
    "onmessage = ({ data }) => { if (data.id === 2) throw new Error('out of order'); };",
  );
  const calls = [link.send({ kind: "close" }), link.send({ kind: "close" })];
  const ends = await Promise.allSettled(calls);
  equal(ends.every((end) => end.status === "rejected" && isClosed(end.reason)), true);
  await rejects(link.send({ kind: "close" }), /has died: .*out of order/);
});

Deno.test("a worker that cannot be loaded rejects the first call", async () => {
  const link = startWorker("import 'data:text/javascript,throw new Error(1)';");
  await rejects(link.send({ kind: "close" }), isClosed);
});

Deno.test("finish() answers what was asked before and refuses what comes after", async () => {
  const link = startWorker("onmessage = ({ data: { id } }) => postMessage({ id, value: id });");
  const before = link.send({ kind: "close" });
  const finished = link.finish("done");
  await rejects(link.send({ kind: "close" }), /done/);
  equal(await before, 1);
  await finished;
  await link.finish("again");
});

Deno.test("a value that cannot be sent rejects its own call only", async () => {
  const link = startWorker("onmessage = ({ data: { id } }) => postMessage({ id, value: id });");
  const unsendable = link.send({ kind: "call", group: "a", method: "b", args: [() => {}], nowMs: 0 });
  await rejects(unsendable, /cannot be sent/);
  equal(await link.send({ kind: "close" }), 2);
  link.stop("done");
});
