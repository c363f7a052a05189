/** What the events of a stream have told, whatever carries them. @module */
import type { AnswerReading, EventReading, InBandError, Usage } from "../protocols/protocol.ts";
import { SaidText } from "../accounting/usage_estimate.ts";
import { mergeUsage } from "../accounting/usage.ts";

/** An error that says nothing about itself is quoted up to this many characters. */
const QUOTE_CHARS = 500;

/** The facts of one stream so far; what reads the stream extends it. */
export class StreamFacts {
  sawOutput = false;
  ended = false;
  complete = false;
  incomplete = false;
  error: InBandError | null = null;
  usage: Usage | null = null;
  answerId = "";
  events = 0;
  junk = 0;
  size = 0;
  /** What the model has said, for an estimate. */
  readonly said = new SaidText();
  #foretold = false;

  /**
   * The stream is made of a whole answer that has been read. What that says holds however far the stream gets: the
   * vendor has made, and charges for, all of it.
   */
  foretell({ usage, incomplete, answerId }: AnswerReading): void {
    this.#foretold = true;
    this.usage = usage ?? null;
    this.complete = true;
    this.incomplete = incomplete === true;
    if (answerId !== undefined) this.answerId = answerId;
  }

  /** Takes in one more event. `text` is its data. */
  protected note(reading: EventReading, text: string): void {
    this.events++;
    if (reading.usage !== undefined && !this.#foretold) this.usage = mergeUsage(this.usage, reading.usage);
    if (reading.text !== undefined) this.said.add(reading.text);
    if (reading.answerId !== undefined) this.answerId = reading.answerId;
    if (reading.complete === true) this.complete = true;
    if (reading.incomplete === true) this.incomplete = true;
    switch (reading.kind) {
      case "output":
        this.sawOutput = true;
        break;
      case "end":
        this.ended = true;
        if (reading.holdsAnswer === true) this.sawOutput = true;
        break;
      case "error":
        this.error ??= reading.error ??
          { code: "", type: "", message: text.slice(0, QUOTE_CHARS), status: null };
        break;
      case "junk":
        this.junk++;
        break;
      case "preamble":
        break;
    }
  }
}
