/** Rules of texts that are sealed with a passphrase. @module */
import assert from "node:assert/strict";
import { openText, sealText } from "../../src/access/sealed_text.ts";

const TEXT = '{"api_key":"sk-canary-1234"} 密';

Deno.test("sealText() hides a text that openText() gives back for the same passphrase only", async () => {
  const sealed = JSON.parse(JSON.stringify(await sealText(TEXT, "correct horse")));
  assert.doesNotMatch(JSON.stringify(sealed), /canary|correct horse/);
  assert.equal(await openText(sealed, "correct horse"), TEXT);
  assert.equal(await openText(sealed, "correct horsf"), null);
});

Deno.test("openText() refuses a text that was changed, or whose derivation is another", async () => {
  const sealed = await sealText(TEXT, "correct horse");
  const flipped = sealed.text.replace(/.$/, (last) => last === "A" ? "B" : "A");
  assert.equal(await openText({ ...sealed, text: flipped }, "correct horse"), null);
  for (const derivation of [{ version: 99 }, { iterations: 1e9 }, { salt: "%" }, { salt: "AAAA" }]) {
    const changed = { ...sealed, derivation: { ...sealed.derivation, ...derivation } };
    assert.equal(await openText(changed, "correct horse"), null);
  }
});
