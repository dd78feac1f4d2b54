// Brings the native backend of TensorFlow.js into the user's cache. Its own installation script fetches TensorFlow's library
// from one host, which many machines do not reach: then the library is taken out of TensorFlow's Python package, by
// pip, and the addon is compiled against it.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ShoalError } from "../../../runtime/mod.ts";
import { nativeFolder, nativePackages, nativeVersion } from "./place.ts";

/** The library's version: the last that the addon is known to compute with, in wheels for processors of this kind. */
const wheels: { readonly [kind: string]: { readonly name: string; readonly platform: string } } = {
  "linux-x64": { name: "tensorflow-cpu==2.15.1", platform: "manylinux_2_17_x86_64" },
  "linux-arm64": { name: "tensorflow-cpu-aws==2.15.1", platform: "manylinux_2_17_aarch64" },
};
const headers = "node-api-headers@1.9.0";
const commandMs = 900_000;
const staleMs = 6 * 3_600_000;
const saidBytesMax = 2 ** 24;

/** Learns a convolution's filter, so that it is proved that what was built computes. */
const proof = `const util = require("node:util");
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
const tf = require(process.argv[1]);
const x = tf.ones([1, 4, 4, 1]);
const change = tf.grad((filter) => tf.sum(tf.conv2d(x, filter, 1, "same")))(tf.ones([3, 3, 1, 1]));
if (tf.getBackend() !== "tensorflow" || change.dataSync()[4] !== 16) throw new Error("it computes wrong numbers");`;

/** Takes what begins with one of some words out of an archive: `ARCHIVE FOLDER WORD…`. */
const extraction = `import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
archive.extractall(sys.argv[2], [name for name in archive.namelist() if name.startswith(tuple(sys.argv[3:]))])`;

interface Way {
  readonly about: string;
  into(folder: string): Promise<void>;
}

/** Answers where it lies. Where it cannot be had the error names each way and why it was none. */
export async function buildNative(say: (line: string) => void): Promise<string> {
  const target = nativeFolder();
  mkdirSync(dirname(target), { recursive: true });
  sweep(target);
  const hasGpu = existsSync("/proc/driver/nvidia/version");
  // The library that its own script fetches is the one that knows GPUs.
  const ways = hasGpu ? [byScript, byWheel(hasGpu)] : [byWheel(hasGpu), byScript];
  const reasons: string[] = [];
  for (const { about, into } of ways) {
    const folder = mkdtempSync(`${target}.`);
    try {
      say(about);
      writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
      await into(folder);
      await run("node", ["-e", proof, join(packageIn(folder), "dist", "index.js")], folder);
      // Whole or not at all, and in the place of what was there, which may be what somebody wanted mended.
      if (existsSync(target)) renameSync(target, join(folder, "old"));
      renameSync(folder, target);
      rmSync(join(target, "old"), { recursive: true, force: true });
      return packageIn(target);
    } catch (error) {
      reasons.push(`${about}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new ShoalError(
    "Unavailable",
    `Cannot bring in TensorFlow's native backend: ${reasons.join("; ")}; what takes it needs npm and either the host ` +
      "storage.googleapis.com, or pip (3.8 or newer) and a C++ compiler; without it networks learn on WebAssembly",
  );
}

/** What others began and never ended, killed as they were, is large. */
function sweep(target: string): void {
  for (const name of readdirSync(dirname(target))) {
    const path = join(dirname(target), name);
    if (name.startsWith(`${basename(target)}.`) && Date.now() - statSync(path).mtimeMs > staleMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

const packageIn = (folder: string): string => join(folder, "node_modules", nativePackages[0]!);

const npm = async (folder: string, ...words: readonly string[]): Promise<void> => {
  const quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  const said = await run("npm", ["install", "--prefix", folder, ...quiet, ...words], folder);
  if (!existsSync(packageIn(folder))) throw new Error(`npm installed nothing: ${lastLine(said)}`);
};

const byScript: Way = {
  about: "its package, whose script fetches TensorFlow's library",
  into: (folder) => npm(folder, `${nativePackages[0]}@${nativeVersion}`),
};

const byWheel = (hasGpu: boolean): Way => ({
  about: `its package, TensorFlow's library from pip${hasGpu ? ", for the processor alone," : ""} and a C++ compiler`,
  async into(folder) {
    const kind = `${process.platform}-${process.arch}`;
    const wheel = wheels[kind];
    if (wheel === undefined) throw new Error(`pip has none for ${kind}`);
    const library = join(folder, "library");
    mkdirSync(library);
    await Promise.all([
      npm(folder, "--ignore-scripts", `${nativePackages[0]}@${nativeVersion}`, headers),
      fetchLibrary(wheel, library),
    ]);
    const own = packageIn(folder);
    const [tensorflow, out] = [join(own, "deps", "tensorflow"), join(own, "lib", "napi-v8")];
    mkdirSync(dirname(tensorflow), { recursive: true });
    mkdirSync(out, { recursive: true });
    renameSync(join(library, "tensorflow"), tensorflow);
    rmSync(library, { recursive: true });
    const sources = readdirSync(join(own, "binding")).filter((name) => name.endsWith(".cc"));
    const includes = [own, join(tensorflow, "include"), join(folder, "node_modules", "node-api-headers", "include")];
    const options = ["-O2", "-std=c++17", "-fPIC", "-shared", "-DNAPI_VERSION=8"];
    const libraries = ["-L", tensorflow, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"];
    await run(process.env["CXX"] ?? "c++", [
      ...options,
      ...includes.flatMap((path) => ["-I", path]),
      ...sources.map((name) => join(own, "binding", name)),
      "-o",
      join(out, "tfjs_binding.node"),
      ...libraries,
      // From the addon to the library, wherever both are moved to.
      "-Wl,-rpath,$ORIGIN/../../deps/tensorflow",
    ], folder);
  },
});

async function fetchLibrary({ name, platform }: { name: string; platform: string }, folder: string): Promise<void> {
  const words = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
  // Any Python's will do: nothing of it is run.
  const which = ["--python-version", "3.11", "--implementation", "cp", "--platform", platform];
  await run("python3", ["-m", "pip", "download", ...words, ...which, "--dest", folder, name], folder);
  const archive = readdirSync(folder).find((each) => each.endsWith(".whl"));
  if (archive === undefined) throw new Error("pip fetched nothing");
  const include = "tensorflow/include/";
  const wanted = [
    "tensorflow/libtensorflow",
    ...["tensorflow/c/", "tensorflow/core/platform/ctstring", "tsl/c/", "tsl/platform/ctstring"].map((path) =>
      include + path
    ),
  ];
  await run("python3", ["-c", extraction, join(folder, archive), folder, ...wanted], folder);
  rmSync(join(folder, archive));
}

/** Runs a program to its end; answers what it said. */
function run(program: string, words: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: commandMs, maxBuffer: saidBytesMax, encoding: "utf8" } as const;
    execFile(program, [...words], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout + stderr);
      if (error.code === "ENOENT") return reject(new Error(`there is no ${program} on the PATH`));
      const what = `${basename(program)} ${words.slice(0, 3).join(" ")}`.slice(0, 60);
      reject(new Error(`${what} failed (${error.signal ?? error.code}): ${lastLine(stderr || stdout)}`));
    });
  });
}

const lastLine = (text: string): string =>
  text.trim().split("\n").findLast((line) => /\berror\b/i.test(line)) ?? text.trim().slice(-300);
