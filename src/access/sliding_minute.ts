/** A sum over the last minute. @module */

const WINDOW_SECONDS = 60;
/** One more than the window: the second that is not yet over and the one that has only half left both count whole. */
const BUCKETS = WINDOW_SECONDS + 1;

/**
 * Adds up amounts by the second, and forgets each when it is over a minute old.
 *
 * An amount counts for at least 60 s and less than 61 s: what is kept under a limit here is under it in *any* 60
 * seconds, not only in those that begin on the minute. All calls take constant time but the one that looks ahead.
 *
 * Amounts are whole numbers from 0 on, so that what leaves is exactly what came. Times are epoch milliseconds. A
 * clock that is set back makes amounts count longer, never shorter: by less than a minute it is waited for, by more
 * the seconds go on from the new time.
 */
export class SlidingMinute {
  /** Made with the first amount: most keys of a long list are idle. */
  #buckets: Float64Array | null = null;
  /** The bucket of `#second`; the one after it is the oldest. */
  #newest = 0;
  #second = 0;
  #sum = 0;

  /** Adds what happens now. */
  add(nowMs: number, amount: number): void {
    this.addAt(nowMs, Math.floor(nowMs / 1000), amount);
  }

  /**
   * Adds what happened in an earlier second. What is too old to count is left out; what lies in the future counts as
   * of now.
   *
   * @param second epoch seconds
   */
  addAt(nowMs: number, second: number, amount: number): void {
    if (!(amount > 0)) return;
    this.#advance(nowMs);
    const age = Math.max(0, this.#second - second);
    if (age > WINDOW_SECONDS) return;
    const buckets = this.#buckets ??= new Float64Array(BUCKETS);
    const index = this.#bucketOf(age);
    buckets[index] = (buckets[index] ?? 0) + amount;
    this.#sum += amount;
  }

  /** What has been added in the last minute. */
  sum(nowMs: number): number {
    this.#advance(nowMs);
    return this.#sum;
  }

  /**
   * How long it takes, milliseconds, until the sum is `most` or less if nothing more comes; 0 when it is. Exact: a
   * millisecond earlier it is still larger.
   *
   * @param most 0 or more
   */
  untilAtMost(nowMs: number, most: number): number {
    if (this.sum(nowMs) <= most) return 0;
    // The youngest bucket that has no room beside those after it is the last that has to leave.
    let age = 0;
    let kept = 0;
    while (age < WINDOW_SECONDS) {
      kept += this.#buckets?.[this.#bucketOf(age)] ?? 0;
      if (kept > most) break;
      age++;
    }
    return (this.#second - age + BUCKETS) * 1000 - nowMs;
  }

  #bucketOf(age: number): number {
    return (this.#newest - age + BUCKETS) % BUCKETS;
  }

  /** Empties the buckets of seconds that have left the window. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const passed = second - this.#second;
    if (passed > 0) {
      if (this.#sum > 0) this.#forget(Math.min(passed, BUCKETS));
      this.#second = second;
    } else if (passed < -WINDOW_SECONDS) {
      this.#second = second;
    }
  }

  #forget(seconds: number): void {
    const buckets = this.#buckets;
    if (buckets === null) return;
    for (let i = 0; i < seconds; i++) {
      this.#newest = (this.#newest + 1) % BUCKETS;
      this.#sum -= buckets[this.#newest] ?? 0;
      buckets[this.#newest] = 0;
    }
  }
}
