/**
 * Answers a hello: a welcome to a new session or to the one it resumes, or the reason why not.
 *
 * A valid resume token stands for the login that led to it, so that a client whose login token has expired keeps its
 * session. With an unknown one the client is told (ERR_SESSION_EXPIRED) and gets a new session, if it may have one.
 */
import { PROTOCOL_VERSION } from '../wire/messages.ts';
import type { ClientMessage, Welcome } from '../wire/messages.ts';
import { isLoopback } from './address-count.core.ts';
import type { Authentication } from './authentication.ts';
import type { Connection } from './connection.ts';
import type { GatewayContext } from './context.ts';
import { LoginCheck } from './login-check.ts';
import type { Session, SessionTable } from './session-table.ts';
import { hashToken, newResumeToken } from './tokens.ts';

export type Hello = Extract<ClientMessage, { type: 'hello' }>;

/** At this level of overload no new player is let in (memory/control.ts). */
const SHED_LEVEL_NEW_SESSIONS = 4;

export class Admission {
  readonly #context: GatewayContext;
  readonly #table: SessionTable;
  readonly #check: LoginCheck;

  constructor(
    context: GatewayContext,
    { table, authentication }: { table: SessionTable; authentication: Authentication | undefined },
  ) {
    this.#context = context;
    this.#table = table;
    this.#check = new LoginCheck(context, { table, authentication });
  }

  /** The connection's stage tells what came of it; only the check of a login token takes time. */
  admit(connection: Connection, hello: Hello): void {
    const { schema } = this.#context.store;
    if (hello.schemaHash !== 0 && hello.schemaHash !== schema.hash) {
      const message = `the world is "${schema.name}" version ${schema.version} with schema hash ${schema.hash}`;
      return connection.fail('ERR_PROTOCOL_SCHEMA', `${message}, the client has ${hello.schemaHash}`);
    }
    const clock = this.#check.refusesClock(hello);
    if (clock !== undefined) return connection.fail(clock.code, clock.message);
    if (hello.resumeToken !== '') {
      const session = this.#table.at(this.#table.tokens.find(hashToken(hello.resumeToken)));
      if (session !== undefined) {
        this.#table.resume(session, connection);
        return this.#welcome(connection, session, { hello, resumed: true });
      }
      const message = 'the resume token is spent, or its session is over; this is a new session';
      connection.send({ type: 'error', code: 'ERR_SESSION_EXPIRED', message });
    }
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
    const { store, settings } = this.#context;
    const resumeToken = newResumeToken();
    this.#table.tokens.issue(session.index, hashToken(resumeToken));
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
      mode: 'tunnel',
      gateways: [],
      schemaHash: store.schema.hash,
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
