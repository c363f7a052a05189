/** Recorded bodies of requests and answers (table `chat_ios`). @module */

/** What one attempt was asked and what it answered. */
export interface ChatIo {
  id: number;
  /** RFC 3339, with the offset as stored. */
  createdAt: string;
  updatedAt: string;
  /** Id of the attempt's row in the request log. */
  logId: number;
  /** The request's body. */
  input: string;
  /** The answer's body; `""` for a stream. */
  text: string;
  /** A stream's events, each without its `data: `; `null` for a whole answer. */
  events: string[] | null;
  /** Protocol of the request; `""` when its log row is gone. */
  style: string;
}
