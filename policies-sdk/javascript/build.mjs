// Run by `portcullis policy build` with node: bundles a policy and makes a component of it. One argument, JSON:
// {toolchain, folder, source, imports, wit, work, out}.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const options = JSON.parse(process.argv[2]);
const require = createRequire(join(options.toolchain, "package.json"));
const { build } = require("esbuild");
// It can only be imported, and not from here by its name.
const engine = join(options.toolchain, "node_modules/@bytecodealliance/componentize-js/src/componentize.js");
const { componentize } = await import(pathToFileURL(engine).href);

const names = options.imports.join(", ");
const entry = [
  'import "./sdk/guard.js";',
  'import { bind } from "./sdk/portcullis.js";',
  ...options.imports.map((name) => `import ${name} from ${JSON.stringify(name)};`),
  `bind({ ${names} });`,
  `export { configure, evaluate } from "./${options.source}";`,
].join("\n");

const fail = (text) => {
  console.error(text);
  process.exit(1);
};

let bundle;
try {
  bundle = await build({
    stdin: { contents: entry, resolveDir: options.folder, sourcefile: "entry.js", loader: "js" },
    absWorkingDir: options.folder,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "silent",
    external: options.imports,
  });
} catch (error) {
  const lines = (error.errors ?? []).map(({ location, text }) =>
    location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text,
  );
  fail(lines.length > 0 ? lines.join("\n") : String(error));
}

const FROZEN = [
  [/\bDate\.now\b|\bnew\s+Date\s*(\(\s*\)|;|$)|\bperformance\.now\b/, "there is no clock in a policy; declare the input /now"],
  [/\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b/, "there is no randomness in a policy"],
  [/\bsetTimeout\b|\bsetInterval\b|\bfetch\s*\(/, "a policy answers at once, from what it was given"],
  [/\basync\b|\bawait\b/, "a policy does not wait; exports that are async do not answer"],
];
for (const file of Object.keys(bundle.metafile.inputs)) {
  if (file.startsWith("sdk/") || file === "entry.js" || file.endsWith(".json")) continue;
  readFileSync(join(options.folder, file), "utf8").split("\n").forEach((line, n) => {
    const code = line.replace(/\/\/.*$/, "");
    for (const [pattern, why] of FROZEN) {
      const found = code.match(pattern);
      if (found) console.error(`warning: ${file}:${n + 1}: ${found[0].trim()}: ${why}; when it runs, it throws`);
    }
  });
}

const source = join(options.work, "policy.js");
writeFileSync(source, bundle.outputFiles[0].text);
try {
  const { component } = await componentize({
    sourcePath: source,
    witPath: options.wit,
    worldName: "policy",
    disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
  });
  writeFileSync(options.out, component);
} catch (error) {
  fail(error.message ?? String(error));
}
