// References whose messages are carried: to actors on other nodes, and to and from durable ones wherever they are.

import type { AskOptions, StreamOptions, TellOptions } from "../ref.ts";
import { Reference, type Source, type Target } from "../reference.ts";
import type { Post } from "./post.ts";

/** An actor that is known by its address alone. */
export class Distant implements Target {
  readonly id: string;
  readonly className: string;

  constructor(id: string, className: string) {
    this.id = id;
    this.className = className;
  }
}

/** The logical node that an address belongs to. */
export function nodeOf(id: string): string {
  const process = id.slice(0, id.indexOf("/"));
  const dot = process.lastIndexOf(".");
  return dot < 0 ? process : process.slice(0, dot);
}

/** Durable actors have names in their addresses, which mean the same in every process. */
export const isDurable = (id: string): boolean => id.includes("/@");

/** A reference that hands its messages to the post. */
export class PostedReference extends Reference {
  readonly #post: Post<never>;

  constructor(target: Target, source: Source, life: number, post: Post<never>) {
    super(target, source, life);
    this.#post = post;
  }

  tell(method: string, message?: unknown, options?: TellOptions): PromiseLike<void> {
    return this.#post.tell(this, method, message, options);
  }

  ask(method: string, message?: unknown, options?: AskOptions): Promise<never> {
    return this.#post.ask(this, method, message, options);
  }

  stream(method: string, message?: unknown, options: StreamOptions = {}): AsyncIterable<never> {
    return this.#post.stream(this, method, message, options);
  }
}
