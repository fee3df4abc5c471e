/**
 * One player in a process of its own, whose clocks are wrong: walks and turns, sends an input every 50 ms, draws 60 frames a second, and
 * measures what a person would see. Started by rough-run.ts; its one argument is a WalkOrder as JSON, its answer a WalkReport.
 */
import { Random } from '../../src/base/random.ts';
import { connect } from '../../src/client/index.ts';
import type { Client, SocketConstructor } from '../../src/client/index.ts';
import { MESSAGE } from '../../src/wire/messages.ts';
import world, { WALK_SPEED } from '../../test/fixtures/input-count-world.ts';
import { setWrongClock } from './wrong-clock.ts';
import type { WrongClock } from './wrong-clock.ts';

export interface WalkOrder {
  readonly url: string;
  readonly seconds: number;
  readonly seed: number;
  readonly aheadMs: number;
  readonly driftPpm: number;
}

export interface WalkReport {
  readonly frames: number;
  /** Metres by which snapshots put the prediction right. */
  readonly corrections: readonly number[];
  /** Corrections that were too large to be smoothed. */
  readonly snaps: number;
  /** Metres by which a frame moved the drawn position beyond what the greatest speed explains. */
  readonly jumps: readonly number[];
  /** `input()` said yes. */
  readonly accepted: number;
  /** Different sequences that went into the socket. */
  readonly sent: number;
  /** Inputs that went into the socket again. */
  readonly repeated: number;
  readonly account: {
    readonly acted: number;
    readonly last: number;
    readonly disorder: number;
    readonly missing: number;
  };
  /** `serverTimeMs` minus the time at the server, sampled each second after the first ten. */
  readonly serverTimeErrorsMs: readonly number[];
  readonly rttMs: number;
  /** How far the SDK says that this process's clock is ahead. */
  readonly skewMs: number;
  /** Times that the gateway did not take this process's clock, and the SDK corrected it. */
  readonly clockRefusals: number;
  /** Times that the connection was lost for any other reason. */
  readonly losses: number;
  readonly metres: number;
}

const INPUT_MS = 50;
const FRAME_MS = 1000 / 60;
const DEADLINE_MS = 60_000;
/** A clock has settled by then. */
const CLOCK_AFTER_MS = 10_000;
const CLOCK_EVERY_MS = 1000;
const TURN_PER_SECOND_MAX = 2.5;
/** Beyond it the way leads back. */
const RANGE_METRES = 150;

class Walk {
  readonly #clock: WrongClock;
  readonly #client: Client<typeof world>;
  readonly #random: Random;
  readonly #seconds: number;
  readonly #sequences = new Set<number>();
  readonly #corrections: number[] = [];
  readonly #jumps: number[] = [];
  readonly #errorsMs: number[] = [];
  #frames = 0;
  #repeated = 0;
  #accepted = 0;
  #losses = 0;
  #clockRefusals = 0;
  #metres = 0;
  #heading = 0;
  #turnPerSecond = 0;

  constructor(order: WalkOrder, clock: WrongClock) {
    this.#clock = clock;
    this.#random = new Random(order.seed);
    this.#seconds = order.seconds;
    this.#client = connect<typeof world>(order.url, { world, WebSocket: this.#listeningSocket() });
    this.#client.onSnapshot(() => this.#corrections.push(this.#client.statistics.correctionMetres));
    this.#client.onStatus((status) => {
      if (status.kind !== 'reconnecting') return;
      if (status.error.serverError === 'ERR_CLOCK_SKEW') this.#clockRefusals++;
      else this.#losses++;
    });
  }

  async run(): Promise<WalkReport> {
    const client = this.#client;
    await this.#until('in the world', () => client.self !== undefined && client.statistics.rttMs > 0);
    this.#corrections.length = 0;
    const snapsBefore = client.statistics.snaps;
    await this.#walk();
    await this.#until('the last input has acted', () => this.#account().last === this.#accepted);
    await this.#until('every input has acted', () => this.#account().acted >= this.#sequences.size);
    const report: WalkReport = {
      frames: this.#frames,
      corrections: this.#corrections,
      snaps: client.statistics.snaps - snapsBefore,
      jumps: this.#jumps,
      accepted: this.#accepted,
      sent: this.#sequences.size,
      repeated: this.#repeated,
      account: this.#account(),
      serverTimeErrorsMs: this.#errorsMs,
      rttMs: client.statistics.rttMs,
      skewMs: client.clock.skewMs,
      losses: this.#losses,
      clockRefusals: this.#clockRefusals,
      metres: this.#metres,
    };
    client.close();
    return report;
  }

  async #walk(): Promise<void> {
    const startMs = this.#clock.nowMs();
    const endMs = startMs + this.#seconds * 1000;
    let inputMs = startMs;
    let sampleMs = startMs + CLOCK_AFTER_MS;
    this.#client.update();
    let { renderX, renderZ } = this.#client.self!;
    let lastMs = startMs;
    for (let nowMs = startMs; nowMs < endMs; nowMs = this.#clock.nowMs()) {
      if (nowMs >= inputMs) {
        this.#step();
        // Never two at once: the second would replace the first.
        inputMs = Math.max(inputMs + INPUT_MS, nowMs + INPUT_MS / 2);
      }
      if (nowMs >= sampleMs) {
        this.#errorsMs.push(this.#client.serverTimeMs - this.#clock.utcMs());
        sampleMs += CLOCK_EVERY_MS;
      }
      this.#client.update();
      const { self } = this.#client;
      if (self === undefined) throw new Error('the own entity has left the view');
      const way = Math.hypot(self.renderX - renderX, self.renderZ - renderZ);
      this.#jumps.push(Math.max(0, way - (WALK_SPEED * (nowMs - lastMs)) / 1000));
      this.#metres += way;
      this.#frames++;
      ({ renderX, renderZ } = self);
      lastMs = nowMs;
      await pause(FRAME_MS);
    }
  }

  /** Curves, a sudden turn now and then, and back when it strays too far. */
  #step(): void {
    const { x, z } = this.#client.self!;
    if (this.#random.next() < 0.05) {
      this.#turnPerSecond = this.#random.between(-TURN_PER_SECOND_MAX, TURN_PER_SECOND_MAX);
      if (this.#random.next() < 0.3) this.#heading += Math.PI / 2;
    }
    this.#heading += (this.#turnPerSecond * INPUT_MS) / 1000;
    if (Math.hypot(x, z) > RANGE_METRES) this.#heading = Math.atan2(-z, -x);
    const input = { number: this.#accepted + 1, moveX: Math.cos(this.#heading), moveZ: Math.sin(this.#heading) };
    if (this.#client.input(input)) this.#accepted++;
  }

  #account(): WalkReport['account'] {
    return this.#client.self?.components.account ?? { acted: 0, last: 0, disorder: 0, missing: 0 };
  }

  /** Counts what is sent, whatever the SDK says about it. */
  #listeningSocket(): SocketConstructor {
    const note = (data: string | Uint8Array): void => {
      if (typeof data === 'string' || data[0] !== MESSAGE.input) return;
      const sequence = new DataView(data.buffer, data.byteOffset).getUint32(1, true);
      if (this.#sequences.has(sequence)) this.#repeated++;
      this.#sequences.add(sequence);
    };
    return class extends WebSocket {
      override send(data: string | Uint8Array<ArrayBuffer>): void {
        note(data);
        super.send(data);
      }
    } as unknown as SocketConstructor;
  }

  async #until(what: string, isReached: () => boolean): Promise<void> {
    const deadlineMs = this.#clock.nowMs() + DEADLINE_MS;
    while (!isReached()) {
      if (this.#clock.nowMs() > deadlineMs) {
        const { status, statistics } = this.#client;
        const state = JSON.stringify({ status, statistics, account: this.#account(), sent: this.#sequences.size });
        throw new Error(`not within ${DEADLINE_MS} ms: ${what}; ${state}`);
      }
      await pause(FRAME_MS);
    }
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

const order = JSON.parse(process.argv[2] ?? '') as WalkOrder;
const report = await new Walk(order, setWrongClock(order)).run();
process.stdout.write(`${JSON.stringify(report)}\n`);
