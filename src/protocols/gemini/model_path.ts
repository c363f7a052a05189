/** Where Gemini names its models: in the path, as `models/<name>:<action>`. @module */

/** What the path of a call asks for. */
export interface ModelAction {
  /** Name of the model, without the collection `models/`; `""` when the path names none. */
  readonly model: string;
  /** What stands behind the last colon. */
  readonly action: string;
}

const COLLECTION = "models/";
const TUNED = "tunedModels/";

/**
 * Splits a path, already decoded and without its version, at the **last** colon: names may hold colons and slashes.
 *
 * A name that does not stand in `models/` keeps all of its path: `tunedModels/x` is a collection of its own, and Vercel's
 * SDK leaves `models/` out where a name holds a slash.
 *
 * @returns `null` when nothing is called
 */
export function readModelAction(path: string): ModelAction | null {
  const at = path.lastIndexOf(":");
  if (at === -1) return null;
  return { model: withoutCollection(path.slice(0, at)), action: path.slice(at + 1) };
}

/** A name without a leading `models/`. */
export function withoutCollection(name: string): string {
  return name.startsWith(COLLECTION) ? name.slice(COLLECTION.length) : name;
}

/** How Google's bodies and lists name a model. */
export function resourceName(model: string): string {
  return model.startsWith(COLLECTION) || model.startsWith(TUNED) ? model : COLLECTION + model;
}

/**
 * The path of a provider's model. Whatever the name holds, it stays one segment of its collection.
 *
 * @example
 * ```ts
 * modelPath("models/../x y"); // "/models/..%2Fx%20y"
 * ```
 */
export function modelPath(providerModel: string): string {
  const collection = providerModel.startsWith(TUNED) ? TUNED : COLLECTION;
  const name = providerModel.startsWith(collection) ? providerModel.slice(collection.length) : providerModel;
  return `/${collection}${encodeURIComponent(name.toWellFormed())}`;
}

/**
 * The public name that a caller means. Operators copy names with and without `models/`, SDKs add it or not, so the name
 * is looked for as it stands, then without, then with it.
 */
export function publicName(name: string, exists: (name: string) => boolean): string {
  return [name, withoutCollection(name), COLLECTION + name].find(exists) ?? name;
}
