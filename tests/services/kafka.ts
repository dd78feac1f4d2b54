// The Kafka broker that all specs of one test run share: started once by the test command, which tells each spec by the
// environment; by the spec itself where it runs alone. Whoever needs it says `// needs: kafka` at its top.
import { type BrokerPlaces, startBroker } from "./broker.ts";
import { kafkaJars } from "./jars.ts";
import type { Started } from "./redis.ts";

/** How the test command tells specs where the broker is. */
export const kafkaVariable = "SHOAL_TEST_KAFKA";

/** Starts the broker. Where there is none to be had, what it says is the reason. */
export async function startKafka(): Promise<Started> {
  const found = kafkaJars();
  if ("reason" in found) return { text: JSON.stringify(found), stop: async () => {} };
  const broker = await startBroker(found.classPath);
  return { text: JSON.stringify(broker.places), stop: () => broker.stop() };
}

/** The broker of this run, or why there is none. */
export async function kafkaService(): Promise<BrokerPlaces | { readonly reason: string }> {
  const told = process.env[kafkaVariable];
  if (told !== undefined && told !== "") return JSON.parse(told) as BrokerPlaces | { readonly reason: string };
  // It ends with this process, and takes along what it has kept.
  const { text } = await startKafka();
  return JSON.parse(text) as BrokerPlaces | { readonly reason: string };
}
