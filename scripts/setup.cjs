'use strict';
/**
 * Makes `npm start` and `npm test` work as the first command after a clone.
 *
 * Runs on any Node from 20.17 with no dependency. A stamp in node_modules holds the hash of the lockfile and the
 * platform; when it differs, the dependencies are installed with `npm ci`, which also brings the Node that runs
 * Worldmesh. Two first starts at once are safe: one installs behind a lock directory, the other waits for it.
 */
const { createHash } = require('node:crypto');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const stampFile = path.join(root, 'node_modules', '.worldmesh-setup');
const lockDirectory = path.join(root, '.setup-lock');
/** A lock without a process id this old belongs to an installation that died at its very start. */
const lockAgeMsMax = 10 * 1000;

function wantedStamp() {
  const lockfile = fs.readFileSync(path.join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lockfile).digest('hex')} ${process.platform} ${process.arch}`;
}

function isReady(stamp) {
  try {
    return fs.readFileSync(stampFile, 'utf8') === stamp;
  } catch {
    return false; // No stamp yet: nothing was installed.
  }
}

function takeLock() {
  try {
    fs.mkdirSync(lockDirectory);
    fs.writeFileSync(path.join(lockDirectory, 'pid'), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isAbandoned()) fs.rmSync(lockDirectory, { recursive: true, force: true });
    return false;
  }
}

/** Its process is gone (killed in the middle), or it never wrote its id and is old. */
function isAbandoned() {
  try {
    process.kill(Number(fs.readFileSync(path.join(lockDirectory, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    const ageMs = Date.now() - (fs.statSync(lockDirectory, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    return ageMs > lockAgeMsMax;
  }
}

function install() {
  // The npm and the Node that run this script: node_modules/.bin/node is deleted by `npm ci` while it works.
  const npmCli = process.env.npm_execpath;
  const node = process.env.npm_node_execpath || process.execPath;
  const [command, ...prefix] = npmCli ? [node, npmCli] : ['npm'];
  console.error('worldmesh: first start, installing dependencies (npm ci) …');
  const result = spawnSync(command, [...prefix, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) {
    console.error(
      'worldmesh: npm ci failed; see its message above. Fix the cause (network, disk space) and run again.',
    );
    return false;
  }
  return true;
}

function main() {
  const stamp = wantedStamp();
  while (!isReady(stamp)) {
    if (takeLock()) {
      try {
        if (isReady(stamp)) return;
        if (!install()) {
          process.exitCode = 1;
          return;
        }
        fs.writeFileSync(stampFile, stamp);
      } finally {
        fs.rmSync(lockDirectory, { recursive: true, force: true });
      }
    } else {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

main();
