/** JSON that is read and printed again without harm to its numbers. @module */

/** What the third argument of a reviver tells (https://github.com/tc39/proposal-json-parse-with-source). */
interface ReviverContext {
  /** The text of a scalar, as it was written. */
  readonly source?: string;
}

/** The part of the proposal that the type library does not know yet. */
interface SourceJson {
  parse(text: string, reviver: (name: string, value: unknown, context: ReviverContext) => unknown): unknown;
  rawJSON(text: string): unknown;
}

const JSON_WITH_SOURCE = JSON as unknown as SourceJson;

/**
 * The value of a JSON text. A number that JavaScript would print otherwise (`12345678901234567890`, `1.0`) comes as an
 * object without members that `JSON.stringify` prints as it was written.
 *
 * @throws {SyntaxError}
 */
export function parseExact(text: string): unknown {
  return JSON_WITH_SOURCE.parse(
    text,
    (_name, value, { source }) =>
      typeof value === "number" && source !== undefined && String(value) !== source
        ? JSON_WITH_SOURCE.rawJSON(source)
        : value,
  );
}
