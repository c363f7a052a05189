/**
 * Who made which response (table `response_owners`): a response is kept by the account that made it, and nobody else
 * can be asked for it.
 *
 * @module
 */

/** A row of `response_owners`. */
export interface StoredResponseOwner {
  /** The vendor's id of the response. */
  readonly responseId: string;
  readonly providerId: number;
  readonly associationId: number;
  /** The key's hash; its secret is never here. */
  readonly keyId: string;
  /** The public model that the client asked for. */
  readonly model: string;
  /** 0 = admin token or no authentication. */
  readonly authKeyId: number;
  /** What the response cost has been booked. */
  readonly metered: boolean;
  /** Epoch milliseconds. */
  readonly madeAtMs: number;
}
