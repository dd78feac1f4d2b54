#!/usr/bin/env node
// The command `shoal`. In a clone it first installs and compiles what is missing or stale; installed from npm it runs
// dist/ as it came. Committed and executable, because a file under dist/ loses its mode with each rebuild.
/* eslint-disable */
var major = Number(process.versions.node.split(".")[0]);
if (major < 20) {
  console.error("shoal: Cannot start: Node " + process.versions.node + " is older than 20");
  process.exit(1);
} else {
  import("./start.mjs").catch(function (error) {
    console.error(error);
    process.exit(1);
  });
}
