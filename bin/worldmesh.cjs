#!/usr/bin/env node
'use strict';
/**
 * The command `worldmesh`. It needs Node 24: an older Node only gets as far as this file, which then hands over to the Node that
 * came with the dependencies. A clone runs from its sources, in TypeScript; a package has no sources, and runs what was built of them.
 */
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const major = Number(process.versions.node.split('.')[0]);
const source = path.join(__dirname, '..', 'src', 'main', 'cli.ts');
const cli = fs.existsSync(source) ? source : path.join(__dirname, '..', 'dist', 'node', 'cli.js');

// Code is compiled once and not at every start: half the start time, and 40 MB less in each process. Threads and
// child processes find the cache by the variable. It lies with the code, where nobody else can write.
process.env.NODE_COMPILE_CACHE ??= path.join(__dirname, '..', 'node_modules', '.compile-cache');

if (major >= 24) {
  require('node:module').enableCompileCache(process.env.NODE_COMPILE_CACHE);
  import(require('node:url').pathToFileURL(cli).href);
} else {
  let node;
  try {
    node = require.resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    console.error(
      `worldmesh: needs Node 24 or newer, found ${process.version}. Install it, or on Linux let npm install ` +
        'optional dependencies: one of them brings it ("npm ci" in a clone).',
    );
    process.exit(1);
  }
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}
