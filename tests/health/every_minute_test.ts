import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { everyMinute } from "../../src/health/every_minute.ts";

Deno.test("everyMinute() leaves nothing behind when it is stopped, and one process can have several", async () => {
  const stops = [1, 2, 3].map(() => everyMinute(() => {}));
  await Promise.all(stops.map((stop) => stop()));
  await everyMinute(() => {})();
});

Deno.test("everyMinute() ticks by a timer where there is no cron", async () => {
  const cron = Object.getOwnPropertyDescriptor(Deno, "cron");
  const clock = FakeTimers.install();
  try {
    Object.defineProperty(Deno, "cron", { value: undefined, configurable: true, writable: true });
    let ticks = 0;
    const stop = everyMinute(() => ticks++);
    clock.tick(180_000);
    assert.equal(ticks, 3);
    await stop();
    clock.tick(180_000);
    assert.equal(ticks, 3);
  } finally {
    clock.uninstall();
    if (cron !== undefined) Object.defineProperty(Deno, "cron", cron);
  }
});
