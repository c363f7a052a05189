import assert from "node:assert/strict";
import { holdSecrets, storedSecrets, withoutKnownSecrets, withoutSecrets } from "../../src/access/scrub.ts";

/** Has a quote, what URLs escape, and letters of more than one byte. */
const ODD = 'p"w/ö+&=9 8secret';

Deno.test("holdSecrets() makes a secret known to every text until it is let go", () => {
  const secret = "correct-horse-battery";
  {
    using _held = holdSecrets([secret, null]);
    assert.equal(withoutSecrets(`no such key: ${secret}!`), "no such key: ****!");
  }
  assert.equal(withoutSecrets(`no such key: ${secret}!`), `no such key: ${secret}!`);
});

Deno.test("withoutSecrets() finds a secret in a URL, in JSON and in base64 beside anything", () => {
  using held = holdSecrets();
  held.replace([ODD]);
  const json = JSON.stringify({ said: ODD });
  assert.equal(withoutSecrets(json), '{"said":"****"}');
  assert.equal(withoutSecrets(`/x?y=${encodeURIComponent(ODD)}`), "/x?y=****");
  for (const before of ["", "u", "us", "use", "user:"]) {
    for (const after of ["", ":", ":x", ":xy"]) {
      const bytes = new TextEncoder().encode(before + ODD + after);
      for (const alphabet of ["base64", "base64url"] as const) {
        const encoded = bytes.toBase64({ alphabet });
        const clean = withoutSecrets(`sent ${encoded}`);
        assert.ok(clean.includes("****"), `${before}…${after}`);
        const left = clean.replace("sent ", "").replaceAll(/[*=]/g, "");
        // Only characters that a neighbour has a part in are left.
        assert.ok(left.length <= Math.ceil((before.length + after.length + 3) * 4 / 3), clean);
        assert.ok(slices(encoded.slice(8, -8)).every((slice) => !clean.includes(slice)), clean);
      }
    }
  }
});

Deno.test("withoutSecrets() keeps nothing of the longer one of two secrets", () => {
  using held = holdSecrets();
  held.replace(["abcdefgh", "abcdefghijkl", "ijklmnopq"]);
  assert.equal(withoutSecrets("1 abcdefghijkl 2 abcdefghi 3 ijklmnopq."), "1 **** 2 ****i 3 ****.");
});

Deno.test("withoutSecrets() masks what the end of a text leaves of a secret", () => {
  const secret = "correct-horse-battery";
  for (let length = 6; length <= secret.length; length++) {
    assert.equal(withoutSecrets(`it was ${secret.slice(0, length)}`, [secret]), "it was ****");
  }
  assert.equal(withoutSecrets("it was corr", [secret]), "it was corr");
  assert.equal(withoutSecrets("correct-horse and more", [secret]), "correct-horse and more");
});

Deno.test("withoutSecrets() takes short secrets only for those that are given", () => {
  using _held = holdSecrets(["model"]);
  assert.equal(withoutSecrets("no such model"), "no such model");
  assert.equal(withoutSecrets("no such model", ["model"]), "no such ****");
  assert.equal(withoutSecrets("a b c", ["a", ""]), "a b c");
});

Deno.test("HeldSecrets.replace() brings new secrets into force and still knows the ones before", () => {
  using held = holdSecrets();
  held.replace(["first-secret"]);
  assert.equal(withoutSecrets("first-secret second-secret"), "**** second-secret");
  held.replace(["second-secret"]);
  assert.equal(withoutSecrets("first-secret second-secret"), "**** ****");
  held.replace([]);
  assert.equal(withoutSecrets("first-secret second-secret"), "**** ****");
});

Deno.test("withoutKnownSecrets() leaves what merely looks like a secret", () => {
  const text = "sk-0123456789abcdef0123 and correct-horse-battery";
  assert.equal(withoutKnownSecrets(text, ["correct-horse-battery"]), "sk-0123456789abcdef0123 and ****");
  assert.equal(withoutSecrets(text, ["correct-horse-battery"]), "**** and ****");
});

Deno.test("storedSecrets() names every secret of the rows", () => {
  const secrets = storedSecrets({
    providers: [
      { config: '{"base_url":"http://h","api_key":"k-1","api_keys":["k-2",{"key":"k-3"}]}', proxy: "" },
      { config: '{"base_url":"http://u:k-4@h?key=k-5"}', proxy: "http://u:k-6@p:1" },
    ],
    associations: [
      { customerHeaders: { Authorization: "Bearer k-7", "X-Team": "blue" } },
      { customerHeaders: null },
    ],
    countTokens: '{"base_url":"http://h","api_key":"k-8"}',
  });
  const named = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `k-${number}`);
  assert.deepEqual(named.filter((key) => !secrets.includes(key)), []);
  assert.ok(!secrets.includes("blue"));
});

Deno.test("withoutSecrets() finds ten thousand keys of one beginning in one pass", () => {
  const keys = Array.from(
    { length: 10_000 },
    () => `sk-proj-${crypto.getRandomValues(new Uint8Array(60)).toBase64({ alphabet: "base64url" })}`,
  );
  using held = holdSecrets();
  held.replace(keys);
  assert.equal(withoutKnownSecrets(keys.join(" ")), keys.map(() => "****").join(" "));
  const startedAt = performance.now();
  for (const unit of ["sk-proj-", "sk-", "lorem ipsum ", keys[0]?.slice(0, -1) ?? ""]) {
    withoutKnownSecrets(unit.repeat(Math.ceil(1024 * 1024 / unit.length)));
  }
  // A pass for each key would take minutes.
  assert.ok(performance.now() - startedAt < 20_000);
});

function slices(text: string): string[] {
  return Array.from({ length: Math.max(0, text.length - 7) }, (_, at) => text.slice(at, at + 8));
}
