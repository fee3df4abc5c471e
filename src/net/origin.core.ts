/**
 * Which web pages may connect. A browser says in the header Origin where the page came from; without this check any page
 * that a player visits could use the game's cookies, network or local server in the player's name. Other programs say no
 * Origin, or any that they like: this protects players from pages, not the server from programs.
 *
 * By default: pages of the same host (any port), pages of this machine itself, and programs without an Origin.
 */
export interface OriginRules {
  /** `https://game.example`, `https://*.game.example`, `*.game.example`, `null`, `*`; empty: the default. */
  readonly origins: readonly string[];
  readonly originRequired: boolean;
}

const ORIGIN_CHARACTERS_MAX = 512;
const HOST = String.raw`\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?`;
const ORIGIN = new RegExp(String.raw`^([a-z][a-z0-9+.-]{0,31})://(${HOST})(?::(\d{1,5}))?$`);
const HOST_HEADER = new RegExp(String.raw`^(${HOST})(?::\d{1,5})?$`);
const WILDCARD = new RegExp(
  String.raw`^(?:([a-z][a-z0-9+.-]{0,31})://)?\*\.([a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?)(?::(\d{1,5}))?$`,
);
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

interface Origin {
  readonly scheme: string;
  readonly host: string;
  /** '' for the scheme's own. */
  readonly port: string;
}

/** `origin` and `host` as the headers have them. */
export function isOriginAllowed(
  { origin, host }: { origin: string | undefined; host: string | undefined },
  { origins, originRequired }: OriginRules,
): boolean {
  if (origin === undefined) return !originRequired;
  if (origins.includes('*')) return true;
  if (origin === 'null') return origins.includes('null');
  const found = readOrigin(origin);
  if (found === undefined) return false;
  if (origins.length > 0) return origins.some((rule) => matches(rule, found));
  return isLoopbackHost(found.host) || found.host === hostName(host);
}

/** True if the setting `origins` takes this. */
export function isOriginRule(text: string): boolean {
  const rule = text.toLowerCase();
  return rule === '*' || rule === 'null' || readOrigin(rule) !== undefined || WILDCARD.test(rule);
}

function matches(text: string, { scheme, host, port }: Origin): boolean {
  const rule = text.toLowerCase();
  const exact = readOrigin(rule);
  if (exact !== undefined) return exact.scheme === scheme && exact.host === host && exact.port === port;
  const [, ruleScheme, suffix, rulePort] = WILDCARD.exec(rule) ?? [];
  if (suffix === undefined || !host.endsWith(`.${suffix}`)) return false;
  if (ruleScheme === undefined) return rulePort === undefined || rulePort === port;
  return ruleScheme === scheme && usualPort(ruleScheme, rulePort) === port;
}

function readOrigin(text: string): Origin | undefined {
  if (text.length > ORIGIN_CHARACTERS_MAX) return undefined;
  const [, scheme, host, port] = ORIGIN.exec(text.toLowerCase()) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  return { scheme, host, port: usualPort(scheme, port) };
}

function usualPort(scheme: string, port: string | undefined): string {
  return port === undefined || port === DEFAULT_PORTS[scheme] ? '' : port;
}

function hostName(header: string | undefined): string | undefined {
  return HOST_HEADER.exec((header ?? '').toLowerCase())?.[1];
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
