/**
 * LLMIO, a gateway for LLM APIs: parse the command line, run the command.
 *
 * @module
 */
import { runProgram } from "./src/cli/program.ts";

if (import.meta.main) Deno.exit(await runProgram(Deno.args));
