// Where a Kafka broker comes from: a Java on the PATH, and the broker's jars by Maven, once per machine, with no root.
// Answers why where none can be had.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../suite.ts";

const version = "3.9.2";
const fetchMsMax = 300_000;
const jarsMin = 20;

// Without a binding of slf4j a broker's errors are silent.
const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>shoal</groupId><artifactId>services</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${version}</version>
<exclusions><exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion></exclusions></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`;

const command: readonly [string, ...string[]] = [
  "mvn",
  "-q",
  "-B",
  "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
  "-DincludeScope=runtime",
  "-DoutputDirectory=lib",
];

const isWhole = (folder: string): boolean => existsSync(folder) && readdirSync(folder).length >= jarsMin;

/** A class path that holds a broker and its tools, or why there is none. */
export function kafkaJars(): { readonly classPath: string } | { readonly reason: string } {
  const java = spawnSync("java", ["-version"], { encoding: "utf8" });
  if (java.error !== undefined || java.status !== 0) return { reason: "no java on the PATH" };
  const cache = join(root, "node_modules", ".cache", "services");
  const lib = join(cache, `kafka-${version}`);
  if (isWhole(lib)) return { classPath: join(lib, "*") };
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "fetch-"));
  try {
    writeFileSync(join(folder, "pom.xml"), pom);
    const [program, ...args] = command;
    const { error, status, stdout, stderr } = spawnSync(program, args, {
      cwd: folder,
      timeout: fetchMsMax,
      encoding: "utf8",
    });
    if (error !== undefined) return { reason: `${program} does not start: ${error.message}` };
    if (status !== 0 || !isWhole(join(folder, "lib"))) {
      return { reason: `${program} failed: ${`${stdout}${stderr}`.trim().split("\n").at(-1) ?? ""}` };
    }
    try {
      // Whole or not at all: another run may be fetching the same.
      renameSync(join(folder, "lib"), lib);
    } catch (cause) {
      if (!isWhole(lib)) throw cause;
    }
    return { classPath: join(lib, "*") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
