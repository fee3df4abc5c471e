/**
 * Prints what `worldmesh config check` says of each broken configuration in test/fixtures/configs. `--write` takes what is said now
 * as what is expected.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EXPECTED_FILE, brokenConfigs, checkBroken, commandText } from '../test/main/config/broken-configs.ts';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const configs = brokenConfigs();
for (const [index, config] of configs.entries()) {
  const { text, exitCode } = await checkBroken(config);
  console.log(
    `── ${index + 1} of ${configs.length}: ${config.name}\n$ ${commandText(config)}\n${text}exit code ${exitCode}\n`,
  );
  if (values.write) writeFileSync(path.join(config.folder, EXPECTED_FILE), text);
}
