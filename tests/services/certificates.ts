// Certificates for servers of tests: an authority, a server's that it signed, and another authority that nobody knows.
// Made by openssl, where there is one.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates {
  readonly ca: string;
  readonly otherCa: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes them in a folder; answers why not where that cannot be done. */
export function certificates(folder: string): Certificates | { readonly reason: string } {
  const path = (name: string): string => join(folder, name);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const authority = (
    name: string,
  ): string[] => [
    "req",
    "-x509",
    ...curve,
    "-subj",
    `/CN=${name}`,
    "-keyout",
    path(`${name}.key`),
    "-out",
    path(`${name}.pem`),
  ];
  writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const request = path("server.csr");
  const signed = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2"];
  const commands = [
    authority("ca"),
    authority("other"),
    ["req", ...curve, "-subj", "/CN=server", "-keyout", path("server.key"), "-out", request],
    ["x509", "-req", "-in", request, ...signed, "-extfile", path("names"), "-out", path("server.pem")],
  ];
  for (const args of commands) {
    const { error, status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    if (error !== undefined) return { reason: `no openssl to make certificates with: ${error.message}` };
    if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr}`);
  }
  return { ca: path("ca.pem"), otherCa: path("other.pem"), cert: path("server.pem"), key: path("server.key") };
}
