// A module that begins a system while it is loaded: what holds actors must not.
import { launch } from "../../../runtime/mod.ts";

await launch();
