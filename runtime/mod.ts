// What users import from "shoal".

export { Actor, type Log, type LogFields, type Timer } from "./actor.ts";
export { launch } from "./launch/launch.ts";
/** This machine's clock, timers and chance, for stores that are opened beside a system. */
export { realWorld } from "./launch/world.ts";
export { type Random, random } from "./random.ts";
export type * from "./ref.ts";
export type * from "./run/records.ts";
export type { Directive, Supervision } from "./supervision.ts";
export type * from "./system.ts";
export type * from "./topic.ts";
export { type ErrorCode, isShoalError, type Outcome, ShoalError } from "../stores/error.ts";
export type { Arrays, Draft, Dtype, Item, Lifetime, PutOptions, Tensor, TensorRef, Tensors } from "../stores/store.ts";
