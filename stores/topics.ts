// Kinds of tasks: what tensors are about. Each may have a store of its own, which is said by the URL of a route.

export const taskKinds = ["simulate", "train", "infer"] as const;
export type TaskKind = typeof taskKinds[number];

export function isTaskKind(value: unknown): value is TaskKind {
  return taskKinds.some((kind) => kind === value);
}

/**
 * Stores of kinds of tasks, and the sizes below which their tensors travel in their references. `mail` has no tensors:
 * logs and claims stand there, which all of a run must reach.
 */
export type TaskStores =
  & { readonly [Name in TaskKind | "mail"]?: string }
  & { readonly [Name in `${TaskKind}ThresholdBytes`]?: number };

/** The URL of a store of which some kinds have stores of their own: itself, where none has. */
export function withTopics(url: string, stores: TaskStores = {}): string {
  const { mail } = stores;
  const home = mail === undefined || mail === url ? [] : [`mail=${encodeURIComponent(mail)}`];
  const topics = taskKinds.flatMap((kind) => {
    const own = stores[kind];
    const thresholdBytes = stores[`${kind}ThresholdBytes`];
    // A threshold alone means another size for what goes where all goes.
    if (own === undefined && thresholdBytes === undefined) return [];
    const threshold = thresholdBytes === undefined ? [] : [`${kind}Threshold=${thresholdBytes}`];
    return [`${kind}=${encodeURIComponent(own ?? url)}`, ...threshold];
  });
  const options = [...home, ...topics];
  if (options.length === 0) return url;
  if (!url.startsWith("route:")) return `route:?small=${encodeURIComponent(url)}&${options.join("&")}`;
  return `${url}${url.includes("?") ? "&" : "?"}${options.join("&")}`;
}
