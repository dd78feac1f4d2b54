// Makes a clone ready to run: installs what package-lock.json names when node_modules lacks it, and compiles the
// sources to dist/ when they changed. Says in one line what it does, and nothing when there is nothing to do.
// `node bin/setup.mjs [--force] [--keep-going]`; needs Node and npm only. Type errors do not stop it with --keep-going.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");
const at = (...names) => join(root, ...names);
const sourceFolders = ["stores", "runtime", "actors", "benchmarks", "tests"];
const notCompiled = new Set(["node_modules", "fixtures", "types", "nodes"]);
const lockPath = at(".setup.lock");
const lockStaleMs = 15 * 60_000;

/** What stopped the set-up: to be shown without a stack, after what npm or the compiler said. */
export class SetUpError extends Error {
  constructor(message, said = "") {
    super(message);
    this.said = said;
  }

  show() {
    if (this.said !== "") process.stderr.write(`${this.said}\n`);
    say(this.message);
  }
}

const say = (text) => process.stderr.write(`setup: ${text}\n`);
const read = (path) => {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};
const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** The files below a folder, as paths relative to the root with forward slashes, in a stable order. */
function filesBelow(folder, found = []) {
  let entries;
  try {
    entries = fs.readdirSync(at(folder), { withFileTypes: true });
  } catch {
    return found;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".")) continue;
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) found.push(path);
    else if (!notCompiled.has(entry.name) || folder.startsWith("dist")) filesBelow(path, found);
  }
  return found;
}

/** Changes with each source, and with what decides how sources are compiled. */
function sourcesStamp() {
  const hash = createHash("sha256").update(process.platform);
  for (const name of ["package.json", "package-lock.json", "tsconfig.json", "bin/setup.mjs"]) {
    hash.update(`${name}\0${read(at(name))}\n`);
  }
  for (const file of sourceFolders.flatMap((folder) => filesBelow(folder))) {
    const { mtimeMs, size } = fs.statSync(at(file));
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

const installStamp = () =>
  createHash("sha256").update(read(at("package-lock.json")) ?? "").update(`${process.platform}-${process.arch}`)
    .digest("hex");

/** Whether node_modules, by npm's own account of it, holds all that the lockfile asks for (an `npm install` by hand). */
function installedByHand() {
  try {
    const wanted = JSON.parse(read(at("package-lock.json"))).packages;
    const present = JSON.parse(read(at("node_modules", ".package-lock.json"))).packages;
    return Object.entries(wanted).every(([path, entry]) =>
      path === "" || present[path]?.version === entry.version || (entry.optional && present[path] === undefined)
    );
  } catch {
    return false;
  }
}

function isInstalled(repair) {
  const stampPath = at("node_modules", ".shoal-setup");
  const stamp = installStamp();
  if (read(stampPath) === stamp) return true;
  if (!installedByHand()) return false;
  if (repair) fs.writeFileSync(stampPath, stamp);
  return true;
}

const isBuilt = () => read(at("dist", ".stamp")) === sourcesStamp();

function npm(args, options) {
  const cli = process.env.npm_execpath;
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli)) return spawnSync(process.execPath, [cli, ...args], options);
  return spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
}

/** npm wants a folder it may write its cache to; where the configured one cannot be written, a temporary one serves. */
function cacheArguments() {
  const asked = npm(["config", "get", "cache"], { cwd: root, encoding: "utf8" });
  const cache = (asked.stdout ?? "").trim().split("\n").pop();
  try {
    fs.mkdirSync(cache, { recursive: true });
    fs.rmdirSync(fs.mkdtempSync(join(cache, "shoal-")));
    return { args: [], remove() {} };
  } catch {
    const folder = fs.mkdtempSync(join(tmpdir(), "shoal-npm-"));
    return { args: ["--cache", folder], remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
  }
}

function install() {
  say("installing what package-lock.json names (npm ci)");
  const started = Date.now();
  const cache = cacheArguments();
  const args = ["ci", "--include=dev", "--include=optional", "--ignore-scripts", "--prefer-offline"];
  const result = npm([...args, "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", ...cache.args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    // Inside `npm install -g` or `npm --prefix`, npm hands its own settings down; here they would miss the clone.
    env: { ...process.env, npm_config_global: "", npm_config_prefix: undefined, npm_config_dry_run: "" },
  });
  cache.remove();
  if (result.error?.code === "ENOENT") throw new SetUpError("Cannot install: npm is not on the PATH");
  if (result.error) throw new SetUpError(`Cannot install: ${result.error.message}`);
  if (result.signal) throw new SetUpError(`Cannot install: npm was ended by ${result.signal}`);
  if (result.status !== 0) {
    // Without the page of usage that npm adds.
    const said = (result.stderr ?? "").replace(/\nnpm error\nnpm error Clean install a project[^]*/, "").trimEnd();
    throw new SetUpError(`Cannot install: npm ci ended with ${result.status}${npmHint(said)}`, said);
  }
  fs.writeFileSync(at("node_modules", ".shoal-setup"), installStamp());
  say(`installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function npmHint(said) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/.test(said)) {
    return ": the package registry cannot be reached; is there a network, or a proxy to configure for npm?";
  }
  if (/UNABLE_TO|CERT_|SELF_SIGNED/.test(said)) {
    return ": the registry's certificate is not trusted; set NODE_EXTRA_CA_CERTS or npm's cafile";
  }
  if (/EACCES|EROFS|EPERM/.test(said)) return ": a folder cannot be written";
  if (/ENOSPC/.test(said)) return ": the disk is full";
  if (/in sync/.test(said)) return ": package.json and package-lock.json disagree; run npm install and commit both";
  return "";
}

function build(force) {
  say("compiling the sources to dist/ (tsc)");
  const started = Date.now();
  // Taken before the compiler reads: a file that changes meanwhile makes the result stale, as it should.
  const stamp = sourcesStamp();
  if (force) fs.rmSync(at("dist"), { recursive: true, force: true });
  fs.rmSync(at("dist", ".stamp"), { force: true });
  const tsc = at("node_modules", "typescript", "bin", "tsc");
  const result = spawnSync(process.execPath, [tsc, "--project", at("tsconfig.json"), "--pretty", "false"], {
    cwd: root,
    encoding: "utf8",
  });
  if (result.error || result.status === null) {
    throw new SetUpError(`Cannot compile: ${result.error?.message ?? `tsc was ended by ${result.signal}`}`);
  }
  matchOutputs();
  if (result.status !== 0) return `${result.stdout}${result.stderr}`.trimEnd();
  fs.writeFileSync(at("dist", ".stamp"), stamp);
  say(`compiled in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return "";
}

/** Removes the outputs of sources that are gone, and copies what sits beside sources and is not TypeScript. */
function matchOutputs() {
  for (const output of filesBelow("dist")) {
    const source = output.slice("dist/".length);
    const typescript = source.replace(/\.(js|js\.map|d\.ts)$/, ".ts");
    if (!fs.existsSync(at(source)) && !fs.existsSync(at(typescript))) fs.rmSync(at(output), { force: true });
  }
  for (const folder of sourceFolders.filter((name) => name !== "tests")) {
    for (const file of filesBelow(folder).filter((name) => !/\.(ts|md)$/.test(name))) {
      fs.cpSync(at(file), at("dist", file));
    }
  }
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

/** Whoever holds the lock writes node_modules and dist/; a holder that died is pushed aside. */
function withLock(work) {
  const mine = `${process.pid} ${hostname()} ${Date.now()}`;
  for (let waits = 0;; waits += 1) {
    try {
      fs.writeFileSync(lockPath, mine, { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw new SetUpError(`Cannot set up: ${error.message}`);
    }
    const held = read(lockPath);
    if (held === undefined || held === "") {
      pause(20);
      if (held === "" && waits > 100) fs.rmSync(lockPath, { force: true });
      continue;
    }
    const [pid, host, since] = held.split(" ");
    const dead = host === hostname() ? !isAlive(Number(pid)) : Date.now() - Number(since) > lockStaleMs;
    if (dead) {
      takeAway(held);
      continue;
    }
    if (waits === 10) say(`waiting for another set-up (process ${pid} on ${host})`);
    pause(100);
  }
  try {
    return work();
  } finally {
    if (read(lockPath) === mine) fs.rmSync(lockPath, { force: true });
  }
}

/** Two waiters may find the same dead holder: a rename shows which lock was taken away, and a live one goes back. */
function takeAway(held) {
  const aside = `${lockPath}.${process.pid}`;
  try {
    fs.renameSync(lockPath, aside);
    if (read(aside) !== held) fs.linkSync(aside, lockPath);
  } catch {
    // Another waiter was first.
  }
  fs.rmSync(aside, { force: true });
}

/** Installs and compiles what is missing or stale. Throws SetUpError; with keepGoing, type errors are only shown. */
export function setUp({ force = false, keepGoing = false } = {}) {
  if (!force && isInstalled(false) && isBuilt()) return;
  withLock(() => {
    if (!isInstalled(true)) install();
    if (!force && isBuilt()) return;
    const errors = build(force);
    if (errors === "") return;
    if (!keepGoing) throw new SetUpError("Cannot compile: tsc found the errors above", errors);
    process.stderr.write(`${errors}\n`);
    say("going on in spite of the errors above");
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  try {
    setUp({ force: process.argv.includes("--force"), keepGoing: process.argv.includes("--keep-going") });
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error;
    error.show();
    process.exitCode = 1;
  }
}
