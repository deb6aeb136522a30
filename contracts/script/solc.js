#!/usr/bin/env node
// A `solc` for forge that works offline: the WebAssembly compiler of the npm package `solc`, behind the two options
// that forge uses. `--version` names the compiler; `--standard-json` compiles the JSON that comes on standard input.
//
// forge puts all sources into that JSON, so nothing is read from disk. It names a file outside the project (a package in
// node_modules) sometimes by its absolute and sometimes by its relative path; here each file gets one name, relative to
// --base-path, which also keeps the paths of a machine out of everything that is compiled.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const compiler = require(require.resolve("solc", { paths: [path.join(__dirname, "..", "..")] }));

function relativeNames(object, basePath) {
  const rename = (name) => (path.isAbsolute(name) ? path.relative(basePath, name) : name);
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [rename(name), value]));
}

function compile(text, basePath) {
  const input = JSON.parse(text);
  input.sources = relativeNames(input.sources, basePath);
  if (input.settings && input.settings.outputSelection) {
    input.settings.outputSelection = relativeNames(input.settings.outputSelection, basePath);
  }
  const missing = (name) => ({ error: `not among the sources: ${name}` });
  return compiler.compile(JSON.stringify(input), { import: missing });
}

const options = process.argv.slice(2);

if (options.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${compiler.version()}\n`);
} else if (options.includes("--standard-json")) {
  const at = options.indexOf("--base-path");
  const basePath = at < 0 ? process.cwd() : options[at + 1];
  process.stdout.write(compile(fs.readFileSync(0, "utf8"), basePath));
} else {
  process.stderr.write("usage: solc.js --version | --standard-json [--base-path <path>] < input.json\n");
  process.exitCode = 1;
}
