// Runs the program of the design inside somebody's own: a file that launches a system and holds no actors.
import { launch } from "shoal";
import ensemble from "./ensemble.ts";

const system = await launch({ store: "memory:" });
await ensemble(system);
await system.close();
