import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import fc from "fast-check";
import {
  type Derivation,
  isSealed,
  newDerivation,
  newSecret,
  UnknownDerivation,
  Vault,
} from "../../src/access/vault.ts";

const SECRET = "correct horse battery staple";
/** Few rounds: what is tested here does not depend on their number. */
const QUICK: Derivation = { ...newDerivation(), iterations: 10 };
const vault = await Vault.derive(SECRET, QUICK);
const anyText = fc.string({ unit: "binary", maxLength: 300 });

Deno.test("a vault opens whatever text it has sealed", async () => {
  await fc.assert(fc.asyncProperty(anyText, anyText, async (text, context) => {
    const sealed = await vault.seal(text, context);
    equal(isSealed(sealed), true);
    equal(await vault.open(sealed, context), text);
  }));
});

Deno.test("a vault seals empty, large and sealed-looking texts like any other", async () => {
  const sealedOnce = await vault.seal("inner", "c");
  for (const text of ["", "\uFEFFmark", "enc:v1:", "enc:v1:AAAA", sealedOnce, "漢".repeat(200_000)]) {
    const sealed = await vault.seal(text, "c");
    notEqual(sealed, text);
    equal(await vault.open(sealed, "c"), text);
  }
});

Deno.test("a sealed text is the prefix and base64url, and holds nothing of the text", async () => {
  const sealed = await vault.seal("sk-canary-0123456789", "c");
  match(sealed, /^enc:v1:[A-Za-z0-9_-]+$/);
  // Nonce, text and tag, without padding.
  equal(sealed.length, "enc:v1:".length + Math.ceil((12 + 20 + 16) * 4 / 3));
  equal(sealed.includes("canary"), false);
});

Deno.test("the same text is sealed differently each time", async () => {
  const all = await Promise.all(Array.from({ length: 200 }, () => vault.seal("same", "c")));
  equal(new Set(all).size, all.length);
  // Neither nonces nor what follows them repeat.
  equal(new Set(all.map((text) => text.slice(7, 23))).size, all.length);
  equal(new Set(all.map((text) => text.slice(23))).size, all.length);
});

Deno.test("a sealed text with any character changed, added or taken away does not open", async () => {
  // All three lengths of the last base64 group, whose spare bits must count as well.
  for (const text of ["", "a", "ab", "abc"]) {
    const sealed = await vault.seal(text, "c");
    for (let at = 0; at < sealed.length; at++) {
      const [before, after] = [sealed.slice(0, at), sealed.slice(at + 1)];
      for (const other of ["A", "B", "g", "-", "_", "=", "+", "/", " ", "\n", "é", ""]) {
        if (other === sealed[at]) continue;
        equal(await vault.open(before + other + after, "c"), null, `${sealed} at ${at}: ${other}`);
      }
    }
    for (const other of ["A", "=", "==", " ", "AAAA"]) equal(await vault.open(sealed + other, "c"), null);
  }
});

Deno.test("any text that was not sealed does not open, and nothing is thrown", async () => {
  await fc.assert(fc.asyncProperty(anyText, async (text) => {
    equal(await vault.open(text, "c"), null);
    equal(await vault.open(`enc:v1:${text}`, "c"), null);
  }));
  equal(await vault.open(`enc:v1:${"A".repeat(37)}`, "c"), null);
});

Deno.test("a text sealed in one context does not open in another", async () => {
  await fc.assert(fc.asyncProperty(anyText, anyText, async (context, other) => {
    fc.pre(context !== other);
    equal(await vault.open(await vault.seal("text", context), other), null);
  }));
});

Deno.test("a text does not open with another secret, salt or number of iterations", async () => {
  const sealed = await vault.seal("text", "c");
  const others = [
    await Vault.derive(`${SECRET} `, QUICK),
    await Vault.derive(SECRET, { ...QUICK, salt: newDerivation().salt }),
    await Vault.derive(SECRET, { ...QUICK, iterations: 11 }),
  ];
  for (const other of others) equal(await other.open(sealed, "c"), null);
  equal(await (await Vault.derive(SECRET, QUICK)).open(sealed, "c"), "text");
});

Deno.test("a file of version 1 stays readable: derivation and form are what they always were", async () => {
  const derivation = { version: 1, salt: "AAECAwQFBgcICQoLDA0ODw==", iterations: 1000 };
  const old = await Vault.derive("correct horse battery staple", derivation);
  // Made with another implementation: OpenSSL's PBKDF2 and AES-256-GCM, nonce 00 01 … 0b.
  const sealed = "enc:v1:AAECAwQFBgcICQoLKeFhAis5DXBihjJNFwwOIL4fT4YSU6LkXXEOwjZXYdj_KyoZm9rG";
  equal(await old.open(sealed, "providers.config"), '{"api_key":"sk-漢字"}');
});

Deno.test("newDerivation() answers 600,000 iterations and a salt of 16 bytes of its own", () => {
  const [one, other] = [newDerivation(), newDerivation()];
  deepEqual([one.version, one.iterations, Uint8Array.fromBase64(one.salt).length], [1, 600_000, 16]);
  notEqual(one.salt, other.salt);
});

Deno.test("newSecret() answers 32 random bytes in base64url", () => {
  const [one, other] = [newSecret(), newSecret()];
  match(one, /^[A-Za-z0-9_-]{43}$/);
  notEqual(one, other);
});

Deno.test("a derivation that nobody can follow is refused with the reason", async () => {
  const cases: [Partial<Derivation>, RegExp][] = [
    [{ version: 2 }, /a form that this version does not know \(2; it knows 1\)/],
    [{ iterations: 0 }, /an impossible number of iterations \(0\)/],
    [{ iterations: 1.5 }, /an impossible number of iterations/],
    [{ iterations: 4_000_000_000 }, /an impossible number of iterations/],
    [{ salt: "?" }, /a salt that is not base64/],
  ];
  for (const [change, reason] of cases) {
    await rejects(Vault.derive(SECRET, { ...QUICK, ...change }), (error: unknown) => {
      match((error as Error).message, reason);
      return error instanceof UnknownDerivation;
    });
  }
});
