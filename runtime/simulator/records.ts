// What a run's records say, in the words of a simulation's table.

import type { RunRecord } from "../run/records.ts";

export function recordTold(record: RunRecord): { readonly who: string; readonly what: string } {
  const who = "actor" in record && record.actor !== undefined ? record.actor.id : "system";
  const what = (text: string): { readonly who: string; readonly what: string } => ({ who, what: text });
  switch (record.type) {
    case "ActorCrashed":
      return what(`failed during ${record.during}: ${record.error.message}; ${record.directive}`);
    case "ActorRestarted":
      return what(`begins life ${record.incarnation}`);
    case "ActorSpawned":
      return what(`spawned as ${record.actor.class}`);
    case "ActorEnded":
      return what(`ended, ${record.reason}`);
    case "MessageDied":
      return { who: record.to.id, what: `never gets ${record.method}: ${record.reason}` };
    case "MessageLogged":
      return what(`${record.level}: ${record.text}`);
    default:
      return what(record.type);
  }
}
