import { deepEqual, equal, rejects } from "node:assert/strict";
import { StoreError } from "../../src/store/errors.ts";
import { LateWorkerLink } from "../../src/store/late_worker_link.ts";
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

const OPEN = { kind: "open", role: "reporter", open: { path: "", nowMs: 0 } } as const;
const ECHO = "onmessage = ({ data: { id } }) => postMessage({ id, value: id });";

/** A late link and how often it has started a worker; the n-th runs the n-th source, the last one all others. */
function startLate(...sources: string[]): { link: LateWorkerLink; starts: () => number } {
  let starts = 0;
  const start = () => startWorker(sources[Math.min(starts++, sources.length - 1)] ?? "");
  return { link: new LateWorkerLink(start, OPEN), starts: () => starts };
}

Deno.test("a late worker is started by the first request, once, and opens before anything else", async () => {
  const { link, starts } = startLate(ECHO);
  equal(starts(), 0);
  deepEqual(await Promise.all([link.send({ kind: "close" }), link.send({ kind: "close" })]), [2, 3]);
  equal(starts(), 1);
  await link.finish("done");
  await rejects(link.send({ kind: "close" }), isClosed);
});

Deno.test("a late worker that nobody needed has nothing to finish", async () => {
  const { link, starts } = startLate(ECHO);
  await link.finish("done");
  await rejects(link.send({ kind: "close" }), /done/);
  link.stop("again");
  equal(starts(), 0);
});

Deno.test("a late worker that cannot open says why, and the next request tries again", async () => {
  const failure = JSON.stringify({ kind: "StoreError", message: "the disk is gone", reason: "unwritable" });
  const { link, starts } = startLate(
    `onmessage = ({ data: { id } }) => postMessage({ id, failure: ${failure} });`,
    ECHO,
  );
  await rejects(link.send({ kind: "close" }), /the disk is gone/);
  equal(await link.send({ kind: "close" }), 2);
  equal(starts(), 2);
  link.stop("done");
});

Deno.test("a late worker that has died is started again by the next request", async () => {
  const { link, starts } = startLate(
    "onmessage = ({ data: { id } }) => { if (id > 2) throw new Error('dies'); postMessage({ id, value: id }); };",
    ECHO,
  );
  equal(await link.send({ kind: "close" }), 2);
  await rejects(link.send({ kind: "close" }), /has died/);
  equal(await link.send({ kind: "close" }), 2);
  equal(starts(), 2);
  const pending = link.send({ kind: "close" });
  link.stop("done");
  await rejects(pending, isClosed);
});
