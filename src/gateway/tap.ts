/** What looks at a stream while it passes. @module */
import type { SaidText } from "../accounting/usage_estimate.ts";
import type { InBandError, Usage } from "../protocols/protocol.ts";

/** What has been seen of a stream so far. The bytes themselves go on as they came, but for what must be taken out. */
export interface Tap {
  /** Something that shows the client something has passed. */
  readonly sawOutput: boolean;
  /** The protocol's end mark has passed. */
  readonly ended: boolean;
  /** The answer is whole, even if nothing follows. */
  readonly complete: boolean;
  /** The vendor ended early: length, filter. */
  readonly incomplete: boolean;
  /** The provider's error, if the stream held one. */
  readonly error: InBandError | null;
  readonly usage: Usage | null;
  /** What the model has said so far, where it is known. */
  readonly said?: SaidText;
  /** The vendor's id by which the answer can be asked for later; `""` = none. */
  readonly answerId: string;
  /** Events with data; comments do not count. */
  readonly events: number;
  /** Events that were not of this protocol. */
  readonly junk: number;
  /** Bytes received. */
  readonly size: number;
  /** The stream is in the middle of something, so that no words of the gateway's own can follow. */
  readonly insideBlock: boolean;
  /** Reads the next piece and answers the pieces to pass on, in order. The tap keeps `chunk`. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[];
  /** The stream has ended: answers what was held back. */
  end(): Uint8Array<ArrayBuffer>[];
}

/** Looks at bytes that nobody here understands: sound, pictures, files. Every byte is output. */
export class RawTap implements Tap {
  readonly ended = false;
  readonly incomplete = false;
  readonly error = null;
  readonly usage = null;
  readonly answerId = "";
  readonly junk = 0;
  readonly insideBlock = true;
  events = 0;
  size = 0;

  get sawOutput(): boolean {
    return this.size > 0;
  }

  /** A body without a grammar is whole when its connection ends cleanly; the runtime reports any other end. */
  get complete(): boolean {
    return this.size > 0;
  }

  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    this.size += chunk.length;
    this.events++;
    return [chunk];
  }

  end(): Uint8Array<ArrayBuffer>[] {
    return [];
  }
}
