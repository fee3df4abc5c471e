/** What may be given to a directory. Every implementation checks by these, before anything is read or written. */
import { DirectoryError } from './directory-error.ts';
import {
  BLOCKS_MAX,
  NAME_KEY_MAX,
  NODE_NAME,
  SCHEMA_TEXT_MAX,
  SECRET_NAMES,
  SECRET_VALUE,
  SETTING_KEY_MAX,
  SETTING_VALUE_MAX,
} from './directory.ts';
import type { JoinRequest, NameHome, Renewal, WorldFacts } from './directory.ts';
import { LEDGER_BYTES, NODES_MAX } from './protocol.ts';

const ADDRESS_MAX = 512;
const FOLDER_MAX = 4096;
const LEDGER = new RegExp(`^[0-9a-f]{${2 * LEDGER_BYTES}}$`);

export function checkJoin(request: JoinRequest): void {
  demand(
    NODE_NAME.test(request.name),
    `a node's name is a letter and up to 31 letters, digits or "-", found "${request.name.slice(0, 64)}"`,
  );
  checkLedgerText(request.ledger);
  demandCount('incarnationSeen', request.incarnationSeen);
  if (request.position !== undefined) demandCount('position', request.position);
  demandText('peerAddress', request.peerAddress, ADDRESS_MAX);
  demandText('clientUrl', request.clientUrl, ADDRESS_MAX);
  demandText('folder', request.folder, FOLDER_MAX);
  demandText('release', request.release, ADDRESS_MAX);
  demandCount('pid', request.pid);
  demandCapacity(request.capacity);
  demandCount('schema.hash', request.schema.hash);
  demandCount('schema.version', request.schema.version);
  demandCount('viewHash', request.viewHash);
  demandText('schema.text', request.schema.text, SCHEMA_TEXT_MAX);
}

export function checkRenewal({ node, incarnation, position, capacity, buddy, clientUrl, peerAddress }: Renewal): void {
  checkNode(node);
  demandCount('incarnation', incarnation);
  if (position !== undefined) demandCount('position', position);
  if (capacity !== undefined) demandCapacity(capacity);
  if (buddy !== undefined && buddy !== 0) checkNode(buddy);
  if (clientUrl !== undefined) demandText('clientUrl', clientUrl, ADDRESS_MAX);
  if (peerAddress !== undefined) demandText('peerAddress', peerAddress, ADDRESS_MAX);
}

export function checkFactValues({ world, worldSize, cellSize, blockCells, tickHz, blockCount }: WorldFacts): void {
  demandText('world', world, ADDRESS_MAX);
  for (const [name, value] of Object.entries({ worldSize, cellSize, tickHz })) {
    demand(Number.isFinite(value) && value > 0, `${name} is above 0, found ${value}`);
  }
  demand(
    Number.isSafeInteger(blockCells) && blockCells > 0,
    `blockCells is a whole number above 0, found ${blockCells}`,
  );
  demand(
    Number.isSafeInteger(blockCount) && blockCount > 0 && blockCount <= BLOCKS_MAX,
    `a world has 1 to ${BLOCKS_MAX} blocks, found ${blockCount}; raise blockCells or cellSize`,
  );
}

export function checkNode(node: number): void {
  demand(
    Number.isSafeInteger(node) && node >= 1 && node <= NODES_MAX,
    `a node's number is 1 to ${NODES_MAX}, found ${node}`,
  );
}

export function checkBlockNumbers(blocks: readonly number[]): void {
  demand(blocks.length <= BLOCKS_MAX, `at most ${BLOCKS_MAX} blocks at once`);
  for (const block of blocks) demandCount('block', block);
}

export function checkLedgerText(ledger: string): void {
  demand(LEDGER.test(ledger), `a ledger is ${2 * LEDGER_BYTES} hex digits, found "${String(ledger).slice(0, 64)}"`);
}

export function checkNameKey(key: string): void {
  demandText('the key of a name', key, NAME_KEY_MAX);
  demand(key !== '', 'the key of a name is not empty');
}

export function checkHome({ ledger, entity }: NameHome): void {
  checkLedgerText(ledger);
  demandCount('entity', entity);
}

export function checkSetting(key: string, value: string): void {
  demandText('the key of a setting', key, SETTING_KEY_MAX);
  demand(key !== '', 'the key of a setting is not empty');
  demandText('the value of a setting', value, SETTING_VALUE_MAX);
}

export function checkSecret(name: string, candidate: string): void {
  demand((SECRET_NAMES as readonly string[]).includes(name), `there is no secret of the name "${name.slice(0, 64)}"`);
  demand(SECRET_VALUE.test(candidate), 'a secret is 64 hexadecimal digits');
}

export function demandCount(what: string, value: number): void {
  demand(Number.isSafeInteger(value) && value >= 0, `${what} is a whole number from 0, found ${value}`);
}

function demandCapacity(capacity: number): void {
  demand(Number.isFinite(capacity) && capacity >= 0, `capacity is a number from 0 on, found ${capacity}`);
}

function demandText(what: string, text: string, lengthMax: number): void {
  demand(typeof text === 'string' && text.length <= lengthMax, `${what} is text of at most ${lengthMax} characters`);
}

function demand(isMet: boolean, message: string): void {
  if (!isMet) throw new DirectoryError('ERR_DIRECTORY_VALUE', message);
}
