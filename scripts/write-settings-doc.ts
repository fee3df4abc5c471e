/** Writes docs/SETTINGS.md from the schema of settings. */
import { writeFileSync } from 'node:fs';
import { settingsDocument } from '../src/main/config/settings-doc.ts';

writeFileSync(new URL('../docs/SETTINGS.md', import.meta.url), settingsDocument());
