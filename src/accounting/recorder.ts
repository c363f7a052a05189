/**
 * The recorder: takes finished records from the request's way and writes them in batches. Nothing here can fail or
 * slow a request: a locked or full database delays rows, it does not delay answers.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { KeyUse } from "../store/auth_keys.ts";
import type { LogBatch, LogInsert, LogOutcome, LogUpdate, RecordedIo } from "../store/logs.ts";

/** What is known of an attempt when it begins. */
export type AttemptStart = Omit<LogInsert, keyof LogOutcome>;

/** Where batches go; answers the ids of the inserted rows in their order. */
export type WriteBatch = (batch: LogBatch) => Promise<number[]>;

/** How the recorder works. */
export interface RecorderOptions {
  /** Longest time that a record waits for its batch, milliseconds. */
  flushMs: number;
  /** Records that may wait while the database does not take them. @default 200000 */
  capacity?: number;
  /** Bytes of recorded bodies that may wait; bodies beyond are given up, their rows are kept. @default 64 MiB */
  ioCapacity?: number;
}

/** One attempt's row on its way into the database. Made by {@link Recorder.begin}. */
export interface RecordedAttempt {
  readonly start: AttemptStart;
}

/** Rows in one transaction: enough to be cheap, few enough to be quick. */
const BATCH_ROWS = 500;
/** Pauses after a failed write, milliseconds; the last one repeats. */
const RETRY_AFTER_MS = [250, 500, 1_000, 2_000, 5_000];

const RUNNING: LogOutcome = {
  status: "running",
  outcome: "",
  statusCode: 0,
  error: "",
  firstChunkTimeNs: 0,
  chunkTimeNs: 0,
  tps: 0,
  size: 0,
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  audioTokens: 0,
  usageSource: "unknown",
  cost: 0,
  costSource: "",
};

/** Writes attempts behind the requests' backs. */
export class Recorder {
  readonly #write: WriteBatch;
  readonly #flushMs: number;
  readonly #capacity: number;
  readonly #ioCapacity: number;
  readonly #log = getLogger(["llmio", "recorder"]);
  #queue: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> | null = null;
  #failures = 0;
  #dropped = 0;
  #droppedIo = 0;
  /** Records of the batch that is being written. */
  #inHand = 0;
  #ioBytes = 0;
  #keyUses = new Map<number, KeyUse>();
  #closed = false;

  constructor(write: WriteBatch, options: RecorderOptions) {
    this.#write = write;
    this.#flushMs = options.flushMs;
    this.#capacity = options.capacity ?? 200_000;
    this.#ioCapacity = options.ioCapacity ?? 64 * 1024 * 1024;
  }

  /** Records that are not in the database yet: those that wait, and those that are being written. */
  get waiting(): number {
    return this.#queue.length + this.#inHand;
  }

  /** Records that were given up because the database took none for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * An attempt begins. If it still runs when its batch is written, its row says `running` and is completed later.
   */
  begin(start: AttemptStart): RecordedAttempt {
    const entry = new Entry(start);
    this.#enqueue(entry);
    return entry;
  }

  /** An attempt has ended. Only the first end of an attempt counts. @param io its bodies, if they are recorded */
  end(attempt: RecordedAttempt, outcome: LogOutcome, io: RecordedIo | null = null): void {
    const entry = attempt as Entry;
    if (entry.outcome !== RUNNING) return;
    entry.outcome = outcome;
    // A full batch is made at once, so its bodies must be there.
    if (io !== null) this.#keepIo(entry, io);
    if (!entry.queued) this.#enqueue(entry);
  }

  /** A key was used in a way that leaves no row. @param atMs epoch milliseconds */
  keyUsed(authKeyId: number, atMs: number): void {
    if (authKeyId === 0) return;
    const known = this.#keyUses.get(authKeyId);
    this.#keyUses.set(authKeyId, { authKeyId, uses: (known?.uses ?? 0) + 1, lastUsedAtMs: atMs });
    this.#timer ??= setTimeout(() => this.#startNow(), this.#flushMs);
  }

  /** Writes all that waits. Resolves when it is in the database, or when the database refuses it. */
  async flush(): Promise<void> {
    this.#cancelTimer();
    while (this.#writing !== null) await this.#writing;
    let before = Infinity;
    while (this.#waits && this.#queue.length + this.#keyUses.size < before) {
      before = this.#queue.length + this.#keyUses.size;
      await this.#run();
    }
  }

  /** Writes all that waits and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#cancelTimer();
    if (this.#queue.length > 0) {
      this.#log.error("{count} log rows could not be written before the end", { count: this.#queue.length });
    }
  }

  #enqueue(entry: Entry): void {
    if (this.#queue.length >= this.#capacity) {
      // A running attempt gets another chance when it ends.
      if (entry.outcome === RUNNING) return;
      this.#dropped++;
      if (entry.io !== null) this.#ioBytes -= sizeOf(entry.io);
      if (this.#dropped === 1 || this.#dropped % 10_000 === 0) {
        this.#log.error("the database takes no rows; {count} log rows were dropped", {
          count: this.#dropped,
        });
      }
      return;
    }
    entry.queued = true;
    this.#queue.push(entry);
    if (this.#queue.length >= BATCH_ROWS && this.#failures === 0) this.#startNow();
    else this.#timer ??= setTimeout(() => this.#startNow(), this.#flushMs);
  }

  #startNow(): void {
    this.#cancelTimer();
    if (this.#writing === null) void this.#run();
  }

  #cancelTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Writes one batch; then arranges for the next one. Never rejects. */
  #run(): Promise<void> {
    this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = null;
      if (this.#waits && !this.#closed) this.#schedule();
    });
    return this.#writing;
  }

  get #waits(): boolean {
    return this.#queue.length > 0 || this.#keyUses.size > 0;
  }

  #keepIo(entry: Entry, io: RecordedIo): void {
    const bytes = sizeOf(io);
    if (this.#ioBytes + bytes > this.#ioCapacity) {
      this.#droppedIo++;
      if (this.#droppedIo === 1 || this.#droppedIo % 1_000 === 0) {
        this.#log.error(
          "the database is too slow for recorded bodies; those of {count} attempts were dropped",
          {
            count: this.#droppedIo,
          },
        );
      }
      return;
    }
    entry.io = io;
    this.#ioBytes += bytes;
  }

  #schedule(): void {
    const pause = this.#failures > 0
      ? RETRY_AFTER_MS[Math.min(this.#failures, RETRY_AFTER_MS.length) - 1] ?? 0
      : this.#queue.length >= BATCH_ROWS
      ? 0
      : this.#flushMs;
    this.#timer ??= setTimeout(() => this.#startNow(), pause);
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#queue.splice(0, BATCH_ROWS);
    this.#inHand = batch.length;
    const keyUses = this.#keyUses;
    this.#keyUses = new Map();
    const fresh: Entry[] = [];
    const inserts: LogInsert[] = [];
    const updates: LogUpdate[] = [];
    for (const entry of batch) {
      entry.queued = false;
      const row = { ...entry.start, ...entry.outcome, ...(entry.io !== null && { io: entry.io }) };
      if (entry.id === null) {
        fresh.push(entry);
        inserts.push(row);
      } else updates.push({ ...row, id: entry.id });
    }
    try {
      const ids = await this.#write({ inserts, updates, keyUses: [...keyUses.values()] });
      fresh.forEach((entry, i) => entry.id = ids[i] ?? null);
      for (const { io } of [...inserts, ...updates]) if (io !== undefined) this.#ioBytes -= sizeOf(io);
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#log.warn("could not write {count} log rows, will try again: {reason}", {
        count: batch.length,
        reason: error instanceof Error ? error.message : String(error),
      });
      // What ended meanwhile is in the queue already.
      const again = batch.filter((entry) => !entry.queued);
      for (const entry of again) entry.queued = true;
      this.#queue.unshift(...again);
      this.#takeBack(keyUses);
    } finally {
      this.#inHand = 0;
    }
  }

  /** What was used meanwhile is later. */
  #takeBack(keyUses: ReadonlyMap<number, KeyUse>): void {
    for (const [id, { uses, lastUsedAtMs }] of keyUses) {
      const later = this.#keyUses.get(id);
      this.#keyUses.set(id, {
        authKeyId: id,
        uses: uses + (later?.uses ?? 0),
        lastUsedAtMs: Math.max(lastUsedAtMs, later?.lastUsedAtMs ?? 0),
      });
    }
  }
}

/** About as many bytes as texts take in memory. */
function sizeOf({ input, text, events }: RecordedIo): number {
  return input.length + text.length + (events?.reduce((sum, event) => sum + event.length, 0) ?? 0);
}

class Entry implements RecordedAttempt {
  id: number | null = null;
  queued = false;
  io: RecordedIo | null = null;
  outcome: LogOutcome = RUNNING;
  constructor(readonly start: AttemptStart) {}
}
