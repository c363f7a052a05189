import "@hono/hono";
import "@hono/zod-openapi";
import "@logtape/logtape";
import "@sinonjs/fake-timers";
import "commander";
import "fast-check";
import "openai";
import "zod";
