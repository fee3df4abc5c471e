/** Chromium for the browser tests: Debian's, or the one that CHROMIUM names. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** The browser makes no connection of its own, and draws WebGL without a graphics card. */
const FLAGS = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-swiftshader',
];

export async function launchChromium(): Promise<Browser> {
  const named = process.env.CHROMIUM;
  const executablePath = named ?? PATHS.find((path) => existsSync(path));
  if (executablePath === undefined || !existsSync(executablePath)) {
    throw new Error(
      `no Chromium at ${named ?? PATHS.join(', ')}: install it ("apt-get install chromium" on Debian), ` +
        'or set CHROMIUM to the path of a Chromium or Chrome',
    );
  }
  return chromium.launch({ executablePath, headless: true, chromiumSandbox: false, args: FLAGS });
}
