import assert from "node:assert/strict";
import { judgeAnswer, matchedRule } from "../../src/gateway/whole_answer.ts";
import { openaiChat } from "../../src/protocols/openai/chat.ts";

const judge = (body: string, contentType = "application/json", rules: string[] = []) => {
  const judged = judgeAnswer(new TextEncoder().encode(body), contentType, openaiChat, rules);
  return judged.good
    ? "good"
    : judged.outcome.type === "bad_answer"
    ? judged.outcome.what
    : judged.outcome.type;
};

Deno.test("judgeAnswer() takes any JSON object with members and no error for an answer", () => {
  assert.equal(judge('{"choices":[]}'), "good");
  assert.equal(judge('{"x":1}', "text/plain"), "good");
});

Deno.test("judgeAnswer() says what is wrong with the others", () => {
  const cases: [string, string, string][] = [
    ["", "application/json", "empty"],
    [" \n", "application/json", "empty"],
    ["<html>", "text/html", "html"],
    ["<!DOCTYPE html><p>", "text/plain", "html"],
    ["service busy", "text/plain", "not_json"],
    ['{"choices":[', "application/json", "not_json"],
    ["{}", "application/json", "no_output"],
    ['{"error":{"message":"x"}}', "application/json", "error_body"],
  ];
  for (const [body, contentType, what] of cases) assert.equal(judge(body, contentType), what, body);
});

Deno.test("matchedRule() ignores case and, failing that, white space", () => {
  assert.equal(matchedRule('{"status" : "439"}', ['"status":"439"']), '"status":"439"');
  assert.equal(matchedRule("API Token has Expired", ["token has expired"]), "token has expired");
  assert.equal(matchedRule("余额 不足", ["余额不足"]), "余额不足");
  assert.equal(matchedRule("all is well", ["expired"]), null);
  assert.equal(
    judge('{"choices":[],"note":"TOKEN EXPIRED"}', "application/json", ["token expired"]),
    "matched",
  );
});
