import assert from "node:assert/strict";
import fc from "fast-check";
import {
  modelPath,
  publicName,
  readModelAction,
  resourceName,
} from "../../../src/protocols/gemini/model_path.ts";
import {
  batchEmbedContents,
  GEMINI_ACTIONS,
  streamGenerateContent,
} from "../../../src/protocols/gemini/operations.ts";

Deno.test("readModelAction() splits at the last colon", () => {
  const cases: [string, string, string][] = [
    ["models/x:generateContent", "x", "generateContent"],
    ["models/m:free:streamGenerateContent", "m:free", "streamGenerateContent"],
    ["models/org/model:countTokens", "org/model", "countTokens"],
    ["models/models/x:generateContent", "models/x", "generateContent"],
    ["org/model:generateContent", "org/model", "generateContent"],
    ["tunedModels/t:generateContent", "tunedModels/t", "generateContent"],
    ["models/:generateContent", "", "generateContent"],
    ["models/x:", "x", ""],
    ["models/x:generateContent/../../y", "x", "generateContent/../../y"],
  ];
  for (const [path, model, action] of cases) assert.deepEqual(readModelAction(path), { model, action }, path);
  assert.equal(readModelAction("models/x"), null);
});

Deno.test("modelPath() keeps any name inside of one segment", () => {
  assert.equal(modelPath("gemini-2.5-pro"), "/models/gemini-2.5-pro");
  assert.equal(modelPath("models/gemini-2.5-pro"), "/models/gemini-2.5-pro");
  assert.equal(modelPath("tunedModels/mine"), "/tunedModels/mine");
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "..", "%2e%2e", "../", "a/../b", "x?k=1#f", "\0"),
      (one, two) => {
        const url = new URL(`http://h/v1beta${modelPath(one + two)}:generateContent`);
        assert.match(url.pathname, /^\/v1beta\/(models|tunedModels)\/[^/]*:generateContent$/);
        assert.equal(url.search + url.hash, "");
      },
    ),
  );
});

Deno.test("publicName() finds a model with and without its collection, the exact name first", () => {
  const among = (...names: string[]) => (name: string) => names.includes(name);
  assert.equal(publicName("x", among("x", "models/x")), "x");
  assert.equal(publicName("models/x", among("x", "models/x")), "models/x");
  assert.equal(publicName("models/x", among("x")), "x");
  assert.equal(publicName("x", among("models/x")), "models/x");
  assert.equal(publicName("y", among("x")), "y");
});

Deno.test("resourceName() is how bodies name a model", () => {
  assert.deepEqual(["x", "models/x", "tunedModels/x"].map(resourceName), [
    "models/x",
    "models/x",
    "tunedModels/x",
  ]);
});

Deno.test("a call's path holds its action and its query as they came", () => {
  const call = { pathModel: "p", query: "alt=sse&x=%2F", json: {}, form: new Map() };
  assert.equal(streamGenerateContent.path(call, "u/v"), "/models/u%2Fv:streamGenerateContent?alt=sse&x=%2F");
  assert.equal(GEMINI_ACTIONS.get("countTokens")?.path({ ...call, query: "" }, "u"), "/models/u:countTokens");
});

Deno.test("only a stream with alt=sse is one of server-sent events", () => {
  const streams = (query: string) =>
    streamGenerateContent.streamsEvents?.({ pathModel: "p", query, json: {}, form: new Map() });
  for (
    const [query, expected] of [["alt=sse", true], ["x=1&alt=ss%65", true], ["$alt=sse", true], ["", false], [
      "alt=json",
      false,
    ]] as const
  ) {
    assert.equal(streams(query), expected, query);
  }
});

Deno.test("a body's own name for the path's model becomes the provider's; other names stay", () => {
  const call = { pathModel: "pub", query: "", json: {}, form: new Map() };
  const rename = (name: string) => batchEmbedContents.repeatedModel?.rename(name, call, "up");
  assert.deepEqual(["models/pub", "pub", "models/other"].map(rename), ["models/up", "models/up", null]);
});
