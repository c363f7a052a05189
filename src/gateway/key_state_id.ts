/** How the state of a key is named. @module */

/** Id of the one key of a provider that needs none. */
export const KEYLESS = "none";

/** The id of a key's state: the same secret under two providers has two states. */
export function keyStateId(providerId: number, keyId: string): string {
  return `${providerId}:${keyId}`;
}

/** The key's own id in the id of its state. */
export function keyIdOf(stateId: string): string {
  return stateId.slice(stateId.indexOf(":") + 1);
}
