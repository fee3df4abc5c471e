/**
 * A player who walks over borders by the client SDK, and notes what a player would notice: jumps, stalls, changes of node,
 * sessions that were lost; and what the auditor needs: which inputs were sent, acknowledged as durable, applied twice.
 */
import { Random } from '../../src/base/random.ts';
import { connect } from '../../src/client/index.ts';
import type { Client, ClientSnapshot } from '../../src/client/index.ts';
import type { InputLog } from '../cluster/cluster-auditor.ts';
import type countingWorld from '../cluster/counting-world.ts';

type CountingWorld = typeof countingWorld;

export interface Sighting {
  /** Monotonic milliseconds. */
  readonly atMs: number;
  readonly x: number;
  readonly z: number;
}

export interface Stall {
  readonly atMs: number;
  readonly durationMs: number;
  /** The connection was there all the time. */
  readonly isConnected: boolean;
  readonly entity: number;
}

export interface WalkerOptions {
  readonly url: string;
  /** Name of the node behind it. */
  readonly gateway: string;
  readonly name: string;
  readonly seed: number;
  /** A JWT that names an account: who comes back after a crash is the same player. */
  readonly token: string;
}

const INPUT_MS = 100;
const TURN_MS_MIN = 2000;
const TURN_MS_MAX = 6000;
/** Metres from the middle beyond which a walker turns back. */
const TURN_BACK = 220;
/** Snapshots come every 100 ms; a gap of this is one that a player notices. */
const STALL_MS_MIN = 300;
const SPEED = 12;
/** Centimetres of the wire, and a tick that was late. */
const JUMP_METRES_MIN = 3;
const TRACK_MS = 10_000;

export class Walker implements Disposable {
  readonly gateway: string;
  readonly stalls: Stall[] = [];
  readonly logs = new Map<number, InputLog>();
  readonly owners: string[] = [];
  /** Where it was seen, of the last ten seconds. */
  track: Sighting[] = [];
  snapshots = 0;
  jumps = 0;
  longestJumpMetres = 0;
  reconnects = 0;
  /** Connections that could not take the session up again. */
  newSessions = 0;
  readonly #client: Client<CountingWorld>;
  readonly #random: Random;
  readonly #timer: NodeJS.Timeout;
  #heading = 0;
  #turnAtMs = 0;
  #number = 0;
  #lastMs = 0;
  #wasConnected = true;
  #isSilent = false;
  /** Whom the track is of. */
  #followed = 0;

  constructor({ url, gateway, name, seed, token }: WalkerOptions) {
    this.gateway = gateway;
    this.#random = new Random(seed);
    this.#client = connect<CountingWorld>(url, {
      name,
      token,
      predict: false,
      backoff: { minMs: 100, maxMs: 1000 },
    });
    this.#client.onStatus((status) => {
      if (status.kind === 'reconnecting') {
        if (this.#wasConnected) this.reconnects++;
        this.#wasConnected = false;
      } else if (status.kind === 'online' && !status.resumed && this.#lastMs > 0) this.newSessions++;
    });
    this.#client.onOwner(({ node }) => this.owners.push(node));
    this.#client.onSnapshot((snapshot) => this.#see(snapshot));
    this.#timer = setInterval(() => this.#walk(), INPUT_MS);
  }

  get isOnline(): boolean {
    return this.#client.status.kind === 'online';
  }

  get self(): number {
    return this.#client.self?.id ?? 0;
  }

  get owner(): string {
    return this.#client.owner?.node ?? this.gateway;
  }

  /** How long nothing has been seen by now. */
  silentMs(nowMs: number): number {
    return this.#lastMs === 0 ? 0 : nowMs - this.#lastMs;
  }

  async whenOnline(): Promise<void> {
    await this.#client.whenOnline();
  }

  /** Stands and sends nothing, so that what it was told can be compared with what is there. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#client.close();
  }

  #walk(): void {
    const self = this.#client.self;
    const nowMs = performance.now();
    if (self === undefined || this.#isSilent) return;
    const isOutside = Math.hypot(self.x, self.z) > TURN_BACK;
    if (nowMs >= this.#turnAtMs || isOutside) {
      this.#heading = isOutside ? Math.atan2(-self.z, -self.x) : this.#random.between(-Math.PI, Math.PI);
      this.#turnAtMs = nowMs + this.#random.between(TURN_MS_MIN, TURN_MS_MAX);
    }
    const number = this.#number + 1;
    const input = { moveX: Math.cos(this.#heading), moveZ: Math.sin(this.#heading), number };
    if (!this.#client.input(input)) return;
    this.#number = number;
    this.#log(self.id).sent = number;
  }

  #see({ inputSequence, durableSequence }: ClientSnapshot): void {
    const nowMs = performance.now();
    this.snapshots++;
    const gapMs = this.silentMs(nowMs);
    const self = this.#client.self;
    if (gapMs > STALL_MS_MIN) {
      const stall = { atMs: nowMs, durationMs: gapMs, isConnected: this.#wasConnected, entity: self?.id ?? 0 };
      this.stalls.push(stall);
    }
    this.#lastMs = nowMs;
    this.#wasConnected = true;
    if (self === undefined) return;
    const log = this.#log(self.id);
    log.acknowledged = Math.max(log.acknowledged, durableSequence);
    // The SDK counts on from what the server has seen, above our own count after a connection was lost.
    log.sent = Math.max(log.sent, inputSequence);
    if (self.kind === 'player' && self.components.tally !== undefined) {
      const { repeats, missed } = self.components.tally;
      log.repeats = Math.max(log.repeats, repeats);
      log.missed = Math.max(log.missed, missed);
    }
    if (self.id !== this.#followed) this.track = [];
    this.#followed = self.id;
    this.#follow(self, { nowMs, gapMs });
  }

  #follow(
    { x, z }: { readonly x: number; readonly z: number },
    { nowMs, gapMs }: { nowMs: number; gapMs: number },
  ): void {
    const last = this.track.at(-1);
    if (last !== undefined) {
      const metres = Math.hypot(x - last.x, z - last.z);
      if (metres > JUMP_METRES_MIN + (SPEED * gapMs) / 1000) {
        this.jumps++;
        this.longestJumpMetres = Math.max(this.longestJumpMetres, metres);
      }
    }
    this.track.push({ atMs: nowMs, x, z });
    if (nowMs - this.track[0]!.atMs > 2 * TRACK_MS) {
      this.track = this.track.filter(({ atMs }) => nowMs - atMs <= TRACK_MS);
    }
  }

  #log(entity: number): InputLog {
    const known = this.logs.get(entity);
    if (known !== undefined) return known;
    const log: InputLog = { entity, session: 0, sent: this.#number, acknowledged: 0, repeats: 0, missed: 0 };
    this.logs.set(entity, log);
    return log;
  }
}
