/** A process of players: does what players.ts orders, and tells each second how it stands. */
import { setTimeout as wait } from 'node:timers/promises';
import { Crowd } from '../../src/main/bots/crowd.ts';
import type { Bot } from '../../src/main/bots/bot.ts';
import { newRedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import { CountingWay, ShuttleWay } from './counting-way.ts';
import type { Meeting } from './counting-way.ts';
import type { PlayerLog, PlayersAnswer, PlayersOptions, PlayersOrder } from './players.ts';

const NAME_PREFIX = 'player-';
const STATE_MS = 1000;
const LOOK_MS = 100;
const GAPS_TOLD = 5;

class PlayersProcess {
  readonly meeting: Meeting = { place: undefined };
  readonly #crowd: Crowd;
  readonly #timer: NodeJS.Timeout;
  #ending = new AbortController();
  #walking: Promise<void> = Promise.resolve();

  constructor(options: PlayersOptions) {
    const { ways, ...rest } = options;
    this.#crowd = new Crowd({
      ...rest,
      namePrefix: NAME_PREFIX,
      newWay: (random) =>
        ways === 'roam' ? new CountingWay(random, this.meeting) : new ShuttleWay(random, this.meeting),
    });
    this.#timer = setInterval(() => this.#tellState(), STATE_MS);
  }

  async join(): Promise<void> {
    await this.#crowd.join();
    answer({ kind: 'joined', joined: this.#crowd.joined });
  }

  walk(): void {
    this.#ending = new AbortController();
    this.#crowd.beginMeasuring();
    this.#walking = this.#crowd.walk(this.#ending.signal);
  }

  meet(place: Meeting['place']): void {
    this.meeting.place = place;
  }

  beginPhase(): void {
    this.#crowd.measures.redirectPhases.push(newRedirectCounts());
  }

  async rest(timeoutMs: number): Promise<void> {
    this.#ending.abort();
    await this.#walking;
    this.#crowd.endMeasuring();
    const deadlineMs = performance.now() + timeoutMs;
    const waiting = (): number => this.#crowd.bots.filter((bot) => !isAtRest(bot)).length;
    while (waiting() > 0 && performance.now() < deadlineMs) await wait(LOOK_MS);
    answer({ kind: 'rested', waiting: waiting() });
  }

  tell(): void {
    const { bots, measures } = this.#crowd;
    const longest = bots.toSorted((left, right) => right.longestGap.durationMs - left.longestGap.durationMs);
    answer({
      kind: 'told',
      measures: measures.toData(),
      logs: bots.map(logOf),
      gaps: longest.slice(0, GAPS_TOLD).map(gapText),
    });
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    this.#ending.abort();
    await this.#walking;
    await this.#crowd.leave();
    process.disconnect();
  }

  #tellState(): void {
    const { measures, online } = this.#crowd;
    const { user, system } = process.cpuUsage();
    answer({
      kind: 'state',
      state: {
        online,
        resumes: measures.events.resumes,
        sessionsLost: measures.events.sessionsLost,
        snapshots: measures.traffic.snapshots,
        redirectPhases: measures.redirectPhases,
        memory: process.memoryUsage().rss,
        cpuSeconds: (user + system) / 1e6,
      },
    });
  }
}

/** What it sent has acted, and survives whatever happens. */
function isAtRest({ isOnline, ledger, check }: Bot): boolean {
  return isOnline && check.durableSequence >= ledger.sentSequence;
}

function logOf({ client, name, isOnline, way, ledger, check }: Bot): PlayerLog {
  const { self } = client;
  const tally = self?.components['tally'];
  const tallied = (field: string): number => Number(tally?.[field] ?? 0);
  return {
    entity: self?.id ?? 0,
    // The auditor then takes the entity's present one.
    session: 0,
    name,
    isOnline,
    sent: ledger.sentSequence,
    acknowledged: check.inputSequence,
    durable: check.durableSequence,
    undurableGivenUp: client.statistics.inputsGivenUp,
    number: way instanceof CountingWay ? way.number : 0,
    last: tallied('last'),
    repeats: tallied('repeats'),
    missed: tallied('missed'),
  };
}

function gapText({ name, gateway, longestGap: { durationMs, endedAtMs } }: Bot): string {
  const at = new Date(endedAtMs).toISOString();
  return `${name} had no snapshot for ${(durationMs / 1000).toFixed(2)} s until ${at}, at ${gateway}`;
}

function answer(message: PlayersAnswer): void {
  if (process.connected) process.send?.(message);
}

let players: PlayersProcess | undefined;
// Whoever started it is gone: nobody waits for these players.
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  const order = message as PlayersOrder;
  if (order.kind === 'join') players = new PlayersProcess(order.options);
  if (order.kind === 'join') void players?.join();
  else if (order.kind === 'walk') players?.walk();
  else if (order.kind === 'meet') players?.meet(order.place);
  else if (order.kind === 'phase') players?.beginPhase();
  else if (order.kind === 'rest') void players?.rest(order.timeoutMs);
  else if (order.kind === 'tell') players?.tell();
  else if (players === undefined) process.exit(0);
  else void players.leave();
});
