/**
 * Answers a hello: a welcome to a new session or to the one it resumes, or the reason why not.
 *
 * A valid resume token stands for the login that led to it, so that a client whose login token has expired keeps its
 * session. In a cluster its player is looked for then, and the welcome waits for the owner's word. With a token that opens nothing
 * the client is told (ERR_SESSION_EXPIRED) and gets a new session, if it may have one.
 */
import { viewHash } from '../base/view-hash.ts';
import { PROTOCOL_VERSION } from '../wire/messages.ts';
import type { ClientMessage, Welcome } from '../wire/messages.ts';
import { isLoopback } from './address-count.core.ts';
import type { Authentication } from './authentication.ts';
import type { ResumedOutcome } from '../memory/tunnel.ts';
import type { Connection } from './connection.ts';
import type { GatewayContext } from './context.ts';
import { LoginCheck } from './login-check.ts';
import type { Session, SessionTable } from './session-table.ts';
import type { Redirects } from './redirects.ts';
import { RESUME_LIFETIME_MS } from './session-token.ts';
import type { SessionClaims } from './session-token.ts';

export type Hello = Extract<ClientMessage, { type: 'hello' }>;

/** At this level of overload no new player is let in (memory/control.ts). */
const SHED_LEVEL_NEW_SESSIONS = 4;

export class Admission {
  readonly #context: GatewayContext;
  readonly #table: SessionTable;
  readonly #check: LoginCheck;
  readonly #redirects: Redirects;

  constructor(
    context: GatewayContext,
    parts: { table: SessionTable; authentication: Authentication | undefined; redirects: Redirects },
  ) {
    const { table, authentication } = parts;
    this.#context = context;
    this.#table = table;
    this.#redirects = parts.redirects;
    this.#check = new LoginCheck(context, { table, authentication });
  }

  /** The connection's stage tells what came of it; only the check of a login token takes time. */
  admit(connection: Connection, hello: Hello): void {
    const { schema } = this.#context.store;
    const isKnown = [0, schema.hash, viewHash(schema)].includes(hello.schemaHash);
    if (!isKnown) {
      const message = `the world is "${schema.name}" version ${schema.version} with schema hash ${schema.hash}`;
      return connection.fail('ERR_PROTOCOL_SCHEMA', `${message}, the client has ${hello.schemaHash}`);
    }
    if (this.#redirects.isLeaving) {
      return connection.fail('ERR_SERVER_STOPPING', 'this gateway leaves the cluster; come to another one');
    }
    const clock = this.#check.refusesClock(hello);
    if (clock !== undefined) return connection.fail(clock.code, clock.message);
    connection.mode = this.#context.settings.cluster === undefined ? 'tunnel' : hello.mode;
    if (hello.resumeToken === '') return this.#enter(connection, hello);
    const { sessionTokens, store, utcMs, counters } = this.#context;
    const claims = sessionTokens.read(hello.resumeToken, { nowMs: utcMs(), node: store.peerTable.self });
    if (typeof claims === 'object') return this.#return(connection, hello, claims);
    counters.resumesRefused++;
    if (sessionTokens.isRedirect(hello.resumeToken)) return failRedirect(connection, claims);
    this.#expire(connection, hello, `the resume token cannot be used (${claims})`);
  }

  /** A client that was here before, or at another gateway. */
  #return(connection: Connection, hello: Hello, claims: SessionClaims): void {
    if (this.#context.settings.cluster === undefined) {
      const session = this.#table.at(this.#table.tokens.find(claims.session));
      if (session === undefined) return this.#over(connection, hello);
      this.#table.resume(session, connection, hello.lastKnownTick);
      return this.#welcome(connection, session, { hello, resumed: true });
    }
    connection.stage = 'verifying';
    const { lastKnownTick } = hello;
    const done = (outcome: ResumedOutcome): void => {
      const { session } = connection;
      if (connection.stage !== 'verifying') return;
      if (outcome === 'found' && session !== undefined) {
        return this.#welcome(connection, session, { hello, resumed: true });
      }
      if (outcome === 'unknown') {
        // Its token stays good.
        return connection.fail('ERR_SERVER_OVERLOADED', 'your player cannot be found at the moment; come back');
      }
      if (claims.purpose === 'redirect') return failRedirect(connection, 'spent');
      connection.stage = 'hello';
      this.#over(connection, hello);
    };
    const answer = this.#table.attach(connection, { claims, lastKnownTick, done });
    if (answer === 'sessions') connection.fail('ERR_LIMIT_SESSIONS', 'every session is taken; try again');
    if (answer === 'ring') connection.fail('ERR_SERVER_OVERLOADED', 'too many come back at once; try again');
  }

  #over(connection: Connection, hello: Hello): void {
    this.#context.counters.resumesExpired++;
    this.#expire(connection, hello, 'the resume token is spent, or its session is over');
  }

  #expire(connection: Connection, hello: Hello, why: string): void {
    connection.send({ type: 'error', code: 'ERR_SESSION_EXPIRED', message: `${why}; this is a new session` });
    this.#enter(connection, hello);
  }

  #enter(connection: Connection, hello: Hello): void {
    if (this.#check.isOpen) return this.#openSession(connection, hello, '');
    connection.stage = 'verifying';
    // A check does not reject.
    void this.#login(connection, hello);
  }

  async #login(connection: Connection, hello: Hello): Promise<void> {
    const answer = await this.#check.login(connection, hello);
    // Meanwhile the client may have left, or broken a rule.
    if (connection.stage !== 'verifying') return;
    if ('code' in answer) return connection.fail(answer.code, answer.message);
    this.#openSession(connection, { ...hello, name: answer.name }, answer.account);
  }

  #openSession(connection: Connection, hello: Hello, account: string): void {
    const { store } = this.#context;
    if (store.control.shedLevel >= SHED_LEVEL_NEW_SESSIONS) {
      return connection.fail('ERR_SERVER_OVERLOADED', 'the server is overloaded and takes no new players; try later');
    }
    if (this.#table.byAddress.of(connection.address) >= perAddress(this.#context, connection.address)) {
      return connection.fail('ERR_LIMIT_CONNECTIONS', 'too many sessions from this address');
    }
    const refusal = this.#check.refusesAccount(account);
    if (refusal !== undefined) return connection.fail(refusal.code, refusal.message);
    const session = this.#table.open(connection, { name: cleanName(hello.name), account });
    if (session === 'sessions') return connection.fail('ERR_LIMIT_SESSIONS', 'every session is taken; try later');
    if (session === 'ring') return connection.fail('ERR_SERVER_OVERLOADED', 'the input ring is full; try later');
    this.#welcome(connection, session, { hello, resumed: false });
  }

  #welcome(connection: Connection, session: Session, { hello, resumed }: { hello: Hello; resumed: boolean }): void {
    const { store, settings, sessionTokens, utcMs } = this.#context;
    const { entity, account } = session;
    const resumeToken = sessionTokens.issue(
      { purpose: 'resume', session: this.#table.nextAttachment(session), entity, account, target: 0 },
      { issuedAtMs: utcMs(), lifetimeMs: RESUME_LIFETIME_MS },
    );
    connection.session = session;
    connection.stage = 'playing';
    const tick = store.control.tick;
    const { minX, minZ, maxX, maxZ, cellSize } = store.grid;
    const welcome: Welcome = {
      type: 'welcome',
      protocolVersion: PROTOCOL_VERSION,
      session: session.index,
      resumed,
      tick,
      // Before the first tick there is none to give the time of.
      serverTimeMs: store.stats.tickSample(tick)?.startMs || this.#context.utcMs(),
      tickHz: settings.tickHz,
      snapshotHz: settings.snapshotHz,
      aoiRadius: settings.aoiRadius,
      cellSize,
      minX,
      minZ,
      maxX,
      maxZ,
      edge: settings.edge,
      resumeGraceMs: settings.resumeGraceMs,
      resumeToken,
      mode: connection.mode,
      gateways: this.#redirects.otherUrls(),
      // What the client has said it goes by; without, that of the schema which it is sent.
      schemaHash: hello.schemaHash === 0 ? store.schema.hash : hello.schemaHash,
      schema: hello.schemaHash === 0 ? store.schema : undefined,
    };
    connection.send(welcome);
    if (resumed) this.#table.routes.tell(session);
  }
}

/** How many connections, or sessions, an address may have. */
export function perAddress({ settings }: GatewayContext, address: string): number {
  return isLoopback(address) ? settings.connectionsPerAddressLoopback : settings.connectionsPerAddress;
}

/** Without control characters and outer spaces: other players are shown it. */
function cleanName(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, '').trim();
}

/** Never a new session: the client has one where it came from, and as a login a new one would take its player away from it. */
function failRedirect(connection: Connection, why: string): void {
  connection.fail('ERR_AUTH_TOKEN', `this redirect opens nothing (${why}); stay where you are`);
}
