/**
 * Watches the log of test gateways: at its most talkative, in the words in which `llmio serve` would write it, and
 * without ever writing it.
 *
 * @module
 */
import { configureSync, type LogRecord } from "@logtape/logtape";
import { lineFormatter } from "../../src/log.ts";

/** What tests use as secrets: no line holds them, whatever the test is about. */
const SECRETS = ["test-admin-token", "sk-upstream-"];

const leaks: string[] = [];
let watching = false;

/** Begins to watch, for the rest of the test file or until it sets the log up itself. */
export function watchLog(): void {
  if (watching) return;
  watching = true;
  const write = lineFormatter("json", false);
  configureSync({
    reset: true,
    sinks: {
      watch: (record: LogRecord) => {
        const line = write(record);
        if (SECRETS.some((secret) => line.includes(secret))) leaks.push(line);
      },
    },
    loggers: [
      { category: ["llmio"], lowestLevel: "debug", sinks: ["watch"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
    ],
  });
}

/** The lines with a secret since the last call. */
export function takeLeaks(): string[] {
  return leaks.splice(0);
}
