/** What a Messages request consists of, as far as its tokens are concerned. @module */
import { asArray, asObject, asString, type JsonObject, scalarText } from "../json_access.ts";

/** A request's input, taken apart. */
export interface PromptParts {
  /** All that is read as text, tools and their calls included. */
  readonly text: string;
  /** Pictures; documents count as one for each page. */
  readonly images: number;
  /** Messages, tools and the system prompt: each has words of the vendor's own around it. */
  readonly frames: number;
}

/** A page of a PDF has about this many bytes of base64; how many pages there are is not to be seen without reading it. */
const PAGE_BYTES = 100_000;

/** Takes a request apart. Never throws, whatever the body is. */
export function promptParts(body: JsonObject): PromptParts {
  const collector = new Collector();
  collector.content(body.system);
  const messages = asArray(body.messages);
  for (const message of messages) collector.content(asObject(message)?.content);
  const tools = asArray(body.tools);
  for (const tool of tools) collector.structure(tool);
  const frames = messages.length + tools.length + (body.system === undefined ? 0 : 1);
  return { text: collector.texts.join("\n"), images: collector.images, frames };
}

class Collector {
  readonly texts: string[] = [];
  images = 0;

  /** A text, or blocks. */
  content(value: unknown): void {
    if (typeof value === "string") this.texts.push(value);
    else for (const block of asArray(value)) this.#block(asObject(block) ?? {});
  }

  structure(value: unknown): void {
    if (value !== undefined && value !== null) this.texts.push(JSON.stringify(value));
  }

  #block(block: JsonObject): void {
    switch (block.type) {
      case "text":
        this.content(block.text);
        return;
      case "image":
        this.images++;
        return;
      case "document":
        this.#document(block);
        return;
      case "thinking":
      case "redacted_thinking":
        // Thoughts of earlier turns are taken out by the vendor and not charged.
        return;
      case "tool_result":
        this.content(block.content);
        return;
      case "tool_use":
      case "server_tool_use":
      case "mcp_tool_use":
        this.texts.push(scalarText(block.name));
        this.structure(block.input);
        return;
      default:
        this.structure(block);
    }
  }

  #document({ source, title, context }: JsonObject): void {
    this.texts.push(asString(title), asString(context));
    const { type, data, content } = asObject(source) ?? {};
    if (type === "text") this.content(data);
    else if (type === "content") this.content(content);
    else this.images += Math.max(1, Math.ceil(asString(data).length / PAGE_BYTES));
  }
}
