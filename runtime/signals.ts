// Who follows a caller's signal: any number of calls through one listener, since many asks often share a signal.

interface Followed {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

const followed = new WeakMap<AbortSignal, Followed>();

/** Calls back once when the signal ends; the answer stops that. One that has ended already is the caller's to see. */
export function follow(signal: AbortSignal, cancel: () => void): () => void {
  const { calls, listener } = followed.get(signal) ?? listen(signal);
  calls.add(cancel);
  return () => {
    calls.delete(cancel);
    if (calls.size > 0 || followed.get(signal)?.calls !== calls) return;
    followed.delete(signal);
    signal.removeEventListener("abort", listener);
  };
}

function listen(signal: AbortSignal): Followed {
  const calls = new Set<() => void>();
  const listener = (): void => {
    followed.delete(signal);
    // Each that is called leaves the set.
    for (const call of calls) call();
  };
  const made = { calls, listener };
  followed.set(signal, made);
  signal.addEventListener("abort", listener, { once: true });
  return made;
}
