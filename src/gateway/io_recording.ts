/** Keeps the bodies of one attempt for the operator, each up to a limit. @module */
import { withoutKnownSecrets } from "../access/scrub.ts";
import type { RecordedIo } from "../store/logs.ts";
import type { ClientBody } from "./client_body.ts";
import { joinBytes } from "./join_bytes.ts";
import { SseReader } from "./sse.ts";

/** A body that has arrived whole. */
export interface WholeBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

const decoder = new TextDecoder();

/** What was asked and what was answered, while it passes. */
export class IoRecording {
  #pieces: Uint8Array[] = [];
  #kept = 0;
  #size = 0;

  /**
   * @param limitBytes of each body, how much is kept
   * @param secrets the provider's, which an answer might echo; what merely looks like a secret is part of the body and stays
   */
  constructor(
    readonly request: ClientBody,
    readonly limitBytes: number,
    readonly secrets: readonly string[],
  ) {}

  /** Takes the next piece of a streamed answer. The bytes must not change afterwards. */
  readonly keep = (piece: Uint8Array): void => {
    this.#size += piece.length;
    const room = this.limitBytes - this.#kept;
    if (room <= 0) return;
    this.#pieces.push(piece.subarray(0, room));
    this.#kept += Math.min(room, piece.length);
  };

  /** A whole answer has ended. */
  whole({ body, contentType }: WholeBody): RecordedIo {
    this.keep(body);
    return this.#text(contentType);
  }

  /** A streamed answer has ended. */
  streamed(contentType: string): RecordedIo {
    return /^\s*text\/event-stream\b/i.test(contentType) ? this.#events() : this.#text(contentType);
  }

  /** There was no answer, or none that is worth keeping. */
  unanswered(): RecordedIo {
    return { input: inputOf(this.request, this.limitBytes), text: "", events: null };
  }

  #text(contentType: string): RecordedIo {
    const bytes = joinBytes(this.#pieces, this.#kept);
    const text = isText(contentType)
      ? withoutKnownSecrets(decoder.decode(bytes), this.secrets) + this.#cutNote("\n")
      : binaryNote(contentType, this.#size);
    return { ...this.unanswered(), text };
  }

  #events(): RecordedIo {
    const events: string[] = [];
    const reader = new SseReader((event) => {
      if (event === null || event.data === "[DONE]") return;
      events.push(withoutKnownSecrets(event.data, this.secrets));
    });
    for (const piece of this.#pieces) reader.push(piece);
    reader.end();
    if (this.#size > this.#kept) events.push(this.#cutNote(""));
    return { ...this.unanswered(), events };
  }

  #cutNote(before: string): string {
    return this.#size > this.#kept ? before + cutNote(this.#size) : "";
  }
}

function inputOf(body: ClientBody, limit: number): string {
  switch (body.kind) {
    case "none":
      return "";
    case "form":
      // Files are not kept, and the fields say what was asked.
      return JSON.stringify(Object.fromEntries(body.fields.map(({ name, value }) => [name, value]))) +
        ` ${binaryNote("multipart/form-data", body.bytes.length)}`;
    case "json": {
      const text = decoder.decode(body.bytes.subarray(0, limit));
      return body.bytes.length > limit ? `${text}\n${cutNote(body.bytes.length)}` : text;
    }
  }
}

function isText(contentType: string): boolean {
  return /^\s*($|text\/|application\/([\w.+-]*json|[\w.+-]*xml|x-ndjson|javascript)\b)/i.test(contentType);
}

function binaryNote(contentType: string, bytes: number): string {
  return `[${contentType.split(";", 1)[0]?.trim()}: ${bytes} bytes]`;
}

function cutNote(bytes: number): string {
  return `[cut off: ${bytes} bytes in all]`;
}
