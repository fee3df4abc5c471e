/** How this gateway tells who somebody is. What a mode needs is loaded only in that mode. */
import type { Authentication } from './authentication.ts';
import type { GatewayContext } from './context.ts';

/** Undefined in open mode. @throws AuthenticationError when nobody could log in. */
export async function openAuthentication(context: GatewayContext): Promise<Authentication | undefined> {
  switch (context.settings.authMode) {
    case 'open':
      return undefined;
    case 'token': {
      const { openTokens } = await import('./authentication-tokens.ts');
      return openTokens(context);
    }
    case 'hook': {
      const { openHook } = await import('./authentication-hook.ts');
      return openHook(context);
    }
  }
}
