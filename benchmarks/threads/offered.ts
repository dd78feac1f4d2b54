// The task that does nothing, as workerpool wants it offered.

import workerpool from "workerpool";
import echo from "./echo.ts";

workerpool.worker({ echo });
