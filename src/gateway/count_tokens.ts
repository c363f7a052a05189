/**
 * Counts the input tokens of a request: asks the model's own providers, then the configured service, then estimates.
 *
 * A count is a courtesy. It leaves no trace: no log row, no usage, nothing about the health of who was asked. A provider
 * that cannot count is not broken, and a vendor's limits on counting are not those on answering
 * (https://docs.claude.com/en/docs/build-with-claude/token-counting). What is known of providers is used, not changed.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { estimateTokens } from "../accounting/token_estimate.ts";
import { eligible } from "../failover/candidates.ts";
import { classify } from "../failover/classify.ts";
import { afterAttempt, emptyWalk, type Pick, step, type Walk } from "../failover/decide.ts";
import type { Verdict } from "../failover/verdict.ts";
import { promptParts } from "../protocols/anthropic/prompt_parts.ts";
import { attempt, type AttemptResult } from "./attempt.ts";
import { wholeJson } from "./client_body.ts";
import { askService } from "./count_service.ts";
import type { ClientRequest, Gateway } from "./client_request.ts";
import { responseHeaders } from "./headers.ts";
import { routesFor } from "./key_permit.ts";
import { errorResponse, goneReply, scrubbedAnswer, stoppingError, wholeReply } from "./reply.ts";
import type { RoutedModel, Target } from "./routing_table.ts";
import { CallEnded, CLIENT_GONE } from "./upstream.ts";

const logger = getLogger(["llmio", "count_tokens"]);

/** Says which members of an answer are estimates of the gateway's own. */
const ESTIMATED_HEADER = "x-llmio-estimated";
/** All candidates together have this long, milliseconds: an estimate now is worth more than a count later. */
const CANDIDATES_MS = 10_000;

/**
 * Claude's tokenizer makes more tokens of a text than OpenAI's, which estimates follow, by 15 to 35 % as people measure it
 * (https://github.com/caozhiyuan/copilot-api/pull/141). Too high is the safer side: clients shorten a conversation in time.
 */
const TEXT_FACTOR = 1.25;
/** The largest picture that the vendor does not scale down: https://docs.claude.com/en/docs/build-with-claude/vision */
const IMAGE_TOKENS = 1_600;
const FRAME_TOKENS = 4;

/** Answers a request for a count. */
export async function countTokens(request: ClientRequest, gateway: Gateway): Promise<Response> {
  const run = new CountRun(request, gateway);
  const end = (reason: CallEnded) => run.end(reason);
  const onHangUp = () => end(CLIENT_GONE);
  const { signal } = request;
  if (signal.aborted) onHangUp();
  else signal.addEventListener("abort", onHangUp, { once: true });
  gateway.active.add(end);
  try {
    return await run.answer();
  } finally {
    signal.removeEventListener("abort", onHangUp);
    gateway.active.remove(end);
    leave(request, gateway);
  }
}

/** A count leaves no row, but its key was used. */
function leave({ caller: { permit, authKeyId } }: ClientRequest, gateway: Gateway): void {
  permit?.release();
  gateway.recorder.keyUsed(authKeyId, Date.now());
}

class CountRun {
  #current: AbortController | null = null;
  #ended: CallEnded | null = null;

  constructor(readonly request: ClientRequest, readonly gateway: Gateway) {}

  /** Ends the request, whatever it waits for. */
  end(reason: CallEnded): void {
    this.#ended ??= reason;
    this.#current?.abort(reason);
  }

  async answer(): Promise<Response> {
    const { inspection } = this.request;
    const model = this.gateway.table().model(inspection.model);
    const counted = (model === undefined ? null : await this.#askCandidates(model)) ??
      await this.#askService();
    if (this.#ended !== null) return this.#gone(this.#ended);
    if (counted !== null) return counted;
    if (model === undefined) return this.#unknownModel();
    const { body } = this.request;
    return Response.json({ input_tokens: estimateInput(body.kind === "json" ? wholeJson(body) : {}) }, {
      headers: { [ESTIMATED_HEADER]: "input_tokens" },
    });
  }

  /** One round through the candidates. @returns a count, or a refusal that is the caller's own fault */
  async #askCandidates(model: RoutedModel): Promise<Response | null> {
    const { gateway, request: { operation: { protocol }, inspection } } = this;
    const allowed = routesFor(this.request.caller, model.routes);
    const routes = eligible(allowed, { protocol, tools: false, structuredOutput: false, image: false });
    const deadlineAt = Date.now() + Math.min(CANDIDATES_MS, model.timeOutMs);
    let walk: Walk = emptyWalk;
    while (this.#ended === null) {
      const next = step(walk, {
        routes,
        view: gateway.live,
        strategy: model.strategy,
        maxAttempts: model.maxAttempts,
        now: Date.now(),
        deadlineAt,
        random: gateway.random,
        sessionId: inspection.sessionId === "" ? null : inspection.sessionId,
        trialUnhealthy: gateway.trialUnhealthy(),
      });
      // Nothing is waited for: there is always an estimate.
      if (next.type !== "attempt") return null;
      const target = gateway.table().target(next.pick.route.associationId);
      if (target === undefined) return null;
      const result = await this.#ask(next.pick, target, deadlineAt);
      if (result.type === "whole") {
        const { response, body } = result;
        return wholeReply(body, response.status, responseHeaders(response.headers)).response;
      }
      const verdict = await verdictOn(result);
      if (verdict.class === "caller_fault") return refusalOf(result, target);
      this.#tellLog(verdict, target);
      walk = afterAttempt(walk, next.pick, verdict, false);
    }
    return null;
  }

  #tellLog(verdict: Verdict, { providerName: provider }: Target): void {
    const facts = { provider, class: verdict.class, detail: verdict.detail };
    if (verdict.class === "gateway_fault" && this.#ended === null) {
      logger.error("counting tokens failed inside the gateway: {detail}", facts);
    } else logger.debug("{provider} gives no count: {class}: {detail}", facts);
  }

  #ask(pick: Pick, target: Target, deadlineAt: number): Promise<AttemptResult> {
    const { operation, method, call, body, headers } = this.request;
    return attempt({
      operation,
      method,
      // The operator's fields are parameters of answers, and vendors refuse those in a count.
      target: { ...target, extraBody: [] },
      secret: target.secretOf(pick.key.id),
      call,
      body,
      clientHeaders: headers,
      stream: false,
      userAgent: this.gateway.userAgent,
      abort: this.#newAbort(),
      waitMs: CANDIDATES_MS,
      commitBefore: deadlineAt,
      idleMs: CANDIDATES_MS,
    }, this.gateway);
  }

  async #askService(): Promise<Response | null> {
    const { call, body, headers } = this.request;
    const service = this.gateway.table().countService;
    if (service === null || body.kind !== "json" || this.#ended !== null) return null;
    const counted = await askService(service, { call, body, headers }, this.gateway, this.#newAbort());
    if (counted === null) {
      logger.warn("the service in the setting anthropic_count_tokens gives no count");
      return null;
    }
    const { response } = counted;
    return wholeReply(counted.body, response.status, responseHeaders(response.headers)).response;
  }

  #newAbort(): AbortController {
    this.#current = new AbortController();
    return this.#current;
  }

  #unknownModel(): Response {
    const { operation: { dialect }, inspection: { model } } = this.request;
    const message = `the model ${
      JSON.stringify(model)
    } does not exist here; GET /v1/models lists those that do`;
    return errorResponse(dialect, { status: 404, code: "model_not_found", message, traceId: "" });
  }

  #gone({ outcome }: CallEnded): Response {
    if (outcome.type === "client_gone") return goneReply().response;
    return errorResponse(this.request.operation.dialect, stoppingError(""), { "retry-after": "1" });
  }
}

/** What a failed attempt means. A path or method that the provider does not have means that it cannot count. */
async function verdictOn(result: Exclude<AttemptResult, { type: "whole" }>): Promise<Verdict> {
  if (result.type === "stream") {
    await result.pump.cancel(CLIENT_GONE);
    return { class: "bad_answer", reason: "stream_in_place_of_count", retryAfterMs: null, detail: "" };
  }
  const verdict = classify(result.outcome, Date.now());
  const missing = result.statusCode === 404 || result.statusCode === 405;
  return missing ? { ...verdict, class: "no_model", reason: "cannot_count" } : verdict;
}

/** The provider's own words on what is wrong with the request. */
function refusalOf(result: AttemptResult, target: Target): Response | null {
  if (result.type !== "failed" || result.answer === null) return null;
  const { status, headers, body } = scrubbedAnswer(result.answer, target.secrets);
  return wholeReply(body, status, responseHeaders(headers)).response;
}

function estimateInput(body: Record<string, unknown>): number {
  const { text, images, frames } = promptParts(body);
  const textTokens = Math.ceil(estimateTokens(text) * TEXT_FACTOR);
  return textTokens + images * IMAGE_TOKENS + frames * FRAME_TOKENS;
}
