/**
 * What every implementation of a directory has to do; see src/peer/directory.ts. The factory gives a URL for each test, and
 * opens it. Processes of their own open the same URL with `openDirectory`.
 */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { chainTests, fenceTests, membershipTests, renewalTests } from './directory-suite-members.ts';
import { factTests, limitTests, viewTests } from './directory-suite-refusals.ts';
import { blockTests, entryTests, secretTests, watchTests } from './directory-suite-contents.ts';
import { drainTests, loadTests } from './directory-suite-loads.ts';
import { counterTests, raceTests } from './directory-suite-processes.ts';

export function directorySuite(test: TestFn, factory: DirectoryFactory): void {
  membershipTests(test, factory);
  renewalTests(test, factory);
  fenceTests(test, factory);
  chainTests(test, factory);
  drainTests(test, factory);
  loadTests(test, factory);
  factTests(test, factory);
  limitTests(test, factory);
  viewTests(test, factory);
  blockTests(test, factory);
  entryTests(test, factory);
  secretTests(test, factory);
  watchTests(test, factory);
  counterTests(test, factory);
  raceTests(test, factory);
}
