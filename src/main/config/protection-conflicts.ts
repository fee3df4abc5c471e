/** Settings of protection that are fine alone, but not with each other. Pure. */
import { AUTH_SECRET_BYTES_MIN } from './protection-settings.ts';
import type { Conflict } from './resolve.ts';
import type { Settings } from './settings.ts';

export function* protectionConflicts(settings: Settings): Generator<Conflict> {
  yield* loginConflicts(settings);
  const { bytesBurst, bytesPerSecond, maxMessageBytes, clockSkewMaxMs, clockSkewReportMs } = settings;
  const burstMin = Math.max(bytesPerSecond, maxMessageBytes);
  if (bytesBurst < burstMin) {
    yield {
      setting: 'bytesBurst',
      found: String(bytesBurst),
      allowed: `at least bytesPerSecond and maxMessageBytes, which are ${bytesPerSecond} and ${maxMessageBytes}`,
      remedy: `raise bytesBurst to ${burstMin}, or lower the others`,
    };
  }
  if (clockSkewMaxMs !== 0 && clockSkewMaxMs < clockSkewReportMs) {
    yield {
      setting: 'clockSkewMaxMs',
      found: String(clockSkewMaxMs),
      allowed: `at least clockSkewReportMs, which is ${clockSkewReportMs}, or 0`,
      remedy: `raise clockSkewMaxMs to ${clockSkewReportMs} or lower clockSkewReportMs`,
    };
  }
}

function* loginConflicts({ authMode, authSecret, authKeyFile, authFile }: Settings): Generator<Conflict> {
  const hasSecret = authSecret !== '';
  if (authMode === 'token' && !hasSecret && authKeyFile === '') {
    yield {
      setting: 'authSecret',
      found: 'not set',
      allowed: `at least ${AUTH_SECRET_BYTES_MIN} bytes when authMode is token, unless there is an authKeyFile`,
      remedy:
        'set WORLDMESH_AUTH_SECRET, for example to the output of "openssl rand -hex 32", or authKeyFile to a file with public keys, or authMode to open',
    };
  }
  if (authMode === 'token' && hasSecret && Buffer.byteLength(authSecret) < AUTH_SECRET_BYTES_MIN) {
    yield {
      setting: 'authSecret',
      found: 'too short (hidden)',
      allowed: `at least ${AUTH_SECRET_BYTES_MIN} bytes`,
      remedy: 'set WORLDMESH_AUTH_SECRET, for example to the output of "openssl rand -hex 32"',
    };
  }
  if (authMode === 'hook' && authFile === '') {
    yield {
      setting: 'authFile',
      found: 'not set',
      allowed: 'the path of a module when authMode is hook',
      remedy: 'set authFile to a module that exports authenticate, such as --auth-file login.ts, or authMode to open',
    };
  }
  // Who wrote a key down meant it to be asked for: an open server would be a surprise.
  if (authMode === 'open' && (authKeyFile !== '' || authFile !== '')) {
    const setting = authKeyFile === '' ? 'authFile' : 'authKeyFile';
    yield {
      setting,
      found: JSON.stringify(authKeyFile === '' ? authFile : authKeyFile),
      allowed: 'keys or a hook only with the authMode that uses them',
      remedy: `set authMode to ${setting === 'authFile' ? 'hook' : 'token'}, or leave ${setting} out`,
    };
  }
}
