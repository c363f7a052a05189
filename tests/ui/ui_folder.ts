/**
 * A small web UI on the disk, beside a file that is none of its business.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** What stands in the file beside the folder, and must never be sent. */
export const SECRET = "this file is outside of the web UI";

/** The script that draws the page: it shows its path, and asks the gateway whether it is alive. */
export const SCRIPT = `const root = document.getElementById("root");
root.textContent = "drawn for " + location.pathname;
const answer = await fetch("/healthz");
root.dataset.gateway = (await answer.json()).status;
`;

/** The page; scripts inside of it are there to see that they do not run. */
export const PAGE = `<!doctype html>
<html lang="en">
  <head><title>fixture UI</title><link rel="stylesheet" href="/assets/app-abc123.css"></head>
  <body>
    <div id="root" style="color: green">empty</div>
    <script>document.documentElement.dataset.inline = "ran";</script>
    <script type="module" src="/assets/app-abc123.js"></script>
  </body>
</html>
`;

/** The files by path. */
export const FILES: Readonly<Record<string, string>> = {
  "index.html": PAGE,
  "favicon.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
  "assets/app-abc123.js": SCRIPT,
  "assets/app-abc123.css": "body { margin: 0 }\n",
  "assets/plain-component.js": "export {};\n",
  "sub/page": "a file without a name ending",
  "sub/with blank.txt": "ünïcode",
  "docs/index.html": "<title>docs</title>",
  ".env": SECRET,
  ".git/config": SECRET,
  "api/stolen.json": SECRET,
  "v1/stolen.json": SECRET,
};

/** A folder that is gone at the end of the test. */
export class UiFolder implements AsyncDisposable {
  private constructor(
    /** The folder that holds everything. */
    readonly parent: string,
    /** The web UI's own folder. */
    readonly path: string,
  ) {}

  /** Makes one with the usual files. */
  static async make(): Promise<UiFolder> {
    const parent = await Deno.makeTempDir({ prefix: "llmio-ui-" });
    const folder = new UiFolder(parent, join(parent, "dist"));
    await Deno.writeTextFile(join(parent, "secret.txt"), SECRET);
    await Deno.mkdir(join(parent, "dist-other"));
    await Deno.writeTextFile(join(parent, "dist-other", "secret.txt"), SECRET);
    for (const [path, text] of Object.entries(FILES)) await folder.write(path, text);
    return folder;
  }

  /** Writes one file. */
  async write(path: string, text: string): Promise<void> {
    const file = join(this.path, path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.parent, { recursive: true });
  }
}
