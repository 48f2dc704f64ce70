// The browser that the page is tested, measured and photographed in: a headless Chromium from npm. The one file that knows where it is.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packaged from '@sparticuz/chromium';
import { chromium, type Browser } from 'playwright-core';

/** Set to a Chromium or Chrome of one's own to use that. */
const OWN = 'CHROMIUM_PATH';

/** Fonts come with it: machines that build software often have none, and text would be boxes. */
const FONTS = join(tmpdir(), 'fonts');

/** Starts it. Whoever does has to close it. */
export async function startBrowser(): Promise<Browser> {
  // What is packaged is for Linux on x64; elsewhere the Chrome that is installed is taken.
  const isPackaged = process.platform === 'linux' && process.arch === 'x64';
  const executablePath = process.env[OWN] ?? (isPackaged ? await packaged.executablePath() : null);
  const which = executablePath === null ? { channel: 'chrome' } : { executablePath };
  // Not the arguments of the package: they switch off what a page is kept in bounds by.
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--font-render-hinting=none',
    '--force-color-profile=srgb',
    '--lang=en-US',
  ];
  // Of a locale such as "C" it makes a language that no library can read.
  const env = { ...process.env, LANG: 'en_US.UTF-8', ...(existsSync(FONTS) && { FONTCONFIG_PATH: FONTS }) };
  return await chromium.launch({ ...which, args, env: definedOnly(env) });
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
