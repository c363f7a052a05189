/** Counts of values by size, as Prometheus takes them. @module */

/** A histogram with fixed bounds. Observing is a short walk over plain numbers. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** Values by bucket, not yet summed up; the last one is for those over every bound. */
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** @param bounds upper ends, the value itself included, in rising order */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    for (const bound of this.#bounds) {
      if (value <= bound) break;
      bucket++;
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.#count++;
  }

  /** All values, summed. */
  get sum(): number {
    return this.#sum;
  }

  /** How many values there were. */
  get count(): number {
    return this.#count;
  }

  /** For each bound how many values lie at or under it. */
  *cumulative(): Generator<[bound: number, count: number]> {
    let count = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      count += this.#counts[index] ?? 0;
      yield [bound, count];
    }
  }
}
