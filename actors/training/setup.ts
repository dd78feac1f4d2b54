// What the actors of this folder begin with: the backend that was asked for, and a network of the model that a message
// names on it.

import { type BackendOptions, openBackend } from "./backends.ts";
import { builderOf, type ModelSource } from "./models.ts";
import type { LearningOptions, Network } from "./network.ts";
import { network } from "./networks.ts";

/** Which network, where, and how it learns. */
export interface NetworkInput extends BackendOptions, LearningOptions {
  readonly model: ModelSource;
}

export interface Ready {
  readonly network: Network;
  /** A sentence for the output: what computes. */
  readonly said: string;
}

/** The networks of this thread, by the actor that has them: an actor that starts anew finds what its last life left. */
const built = new Map<string, Network>();

/** Builds the network of an actor. */
export async function ready(actor: string, given: NetworkInput): Promise<Ready> {
  const { model, backend, gpus, ...learning } = given;
  gone(actor);
  const build = await builderOf(model);
  const opened = await openBackend({ ...backend && { backend }, ...gpus !== undefined && { gpus } });
  const made = await network(opened, build, model.input ?? {}, learning);
  built.set(actor, made);
  return { network: made, said: opened.said };
}

/** Gives back the memory of an actor's network. */
export function gone(actor: string): void {
  built.get(actor)?.dispose();
  built.delete(actor);
}
