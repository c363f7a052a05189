/**
 * A TCP connection on which a test writes a request byte by byte, as no HTTP client would.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

/** The connection. */
export class RawConnection implements AsyncDisposable {
  #received = "";
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  private constructor(readonly socket: Socket) {
    const note = () => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    socket.on("data", (bytes: Uint8Array) => {
      // Latin-1, so that each byte is one character.
      this.#received += Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      note();
    });
    const end = () => {
      this.#isClosed = true;
      note();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  /** Connects to the server of a URL. */
  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect(Number(port), hostname, resolve);
    socket.once("error", reject);
    const connection = new RawConnection(socket);
    await promise;
    return connection;
  }

  /** Everything that has come. */
  get received(): string {
    return this.#received;
  }

  /** The server has closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Status codes of the answers that have begun, `100 Continue` left out. */
  get statuses(): number[] {
    return [...this.#received.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, code]) => Number(code))
      .filter((code) => code !== 100);
  }

  write(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** Resolves once a condition holds for what has come, or the server has closed. @throws when it does not in time */
  async until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#changed.resolve();
    }, timeoutMs);
    try {
      while (!condition() && !this.#isClosed) {
        if (isLate) throw new Error(`only this has come: ${JSON.stringify(this.#received.slice(0, 500))}`);
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.destroy();
    await closed;
  }
}
