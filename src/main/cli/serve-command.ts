/** `worldmesh serve` and `worldmesh dev`. */
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { connectToSupervisor } from '../cluster/supervised.ts';
import type { Settings } from '../config/settings.ts';
import { DEFAULT_MODULE } from '../installation.ts';
import type { Log } from '../log.ts';
import type { WorldFailure, WorldNode } from '../node.ts';
import type { PageBundle } from '../page-bundle.ts';
import { ServiceManager } from '../service-manager.ts';
import { userFrames } from '../user-frames.ts';
import type { WorldModule } from '../world-module.ts';
import { EXIT_CODE, errorBlock, examples, note, styled } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

interface RunOptions {
  readonly module: string | undefined;
  readonly settings: Settings;
  readonly development: boolean;
  readonly recordFile: string | undefined;
}

export function addServeCommand(program: Command): void {
  const serve = program
    .command('serve')
    .description('Run a world: simulation, clients, metrics and viewer')
    .argument('[module]', 'world module, a .ts or .js file (default: the meadow example)')
    .option('--record <file>', 'record inputs and state hashes of each tick, for "worldmesh replay"');
  const flags = addSettingFlags(serve);
  serve.addHelpText(
    'after',
    examples([
      'worldmesh serve game.ts',
      'worldmesh serve game.ts --port 9000 --workers 4 --tick-hz 30 --snapshot-hz 15',
      'worldmesh serve examples/game/world.ts --page examples/game/index.html',
      'worldmesh serve examples/meadow.ts --param botsPerCell=100 --record run.wmr',
      'WORLDMESH_AUTH_SECRET="$(openssl rand -hex 32)" worldmesh serve game.ts --auth-mode token --host 0.0.0.0',
    ]),
  );
  serve.action(async (module: string | undefined, { record }: { record?: string }) => {
    const { settings } = flags.read();
    await run({ module, settings, development: false, recordFile: record });
  });
}

export function addDevCommand(program: Command): void {
  const dev = program
    .command('dev')
    .description('Run a world and go on with it when its module changes')
    .argument('[module]', 'world module, a .ts or .js file (default: the meadow example)');
  const flags = addSettingFlags(dev);
  dev.addHelpText(
    'after',
    examples(['worldmesh dev', 'worldmesh dev game.ts', 'worldmesh dev examples/tag.ts --port 0']),
  );
  dev.action(async (module: string | undefined) => {
    const { settings } = flags.read();
    await run({ module, settings, development: true, recordFile: undefined });
  });
}

/** Runs a node until a signal or the end of its world. Sets the exit code. */
async function run({ module, settings, development, recordFile }: RunOptions): Promise<void> {
  const supervised = connectToSupervisor();
  const stopped = Promise.race([stopSignal(), ...(supervised ? [supervised.lost] : [])]);
  const { loadWorldModule, moduleUrl } = await import('../world-module.ts');
  // The module is looked at in its thread while this one loads the rest.
  const url = moduleUrl(module ?? (settings.module || DEFAULT_MODULE), { folder: process.cwd() });
  const loading = loadWorldModule(url);
  loading.catch(() => {});
  const { NodeThreads } = await import('../node-threads.ts');
  await using threads = NodeThreads.spawn({ workers: settings.workers, moduleUrl: url });
  const [{ createLog, isPretty }, { WorldNode }] = await Promise.all([import('../log.ts'), import('../node.ts')]);
  const log = createLog(settings);
  const viewer = settings.viewer ? prepare(log) : Promise.resolve();
  const [world, page] = await Promise.all([loading, bundle(settings)]);
  // Whatever ends this function, no thread is left behind.
  await using node = await WorldNode.start({ world, settings, development, recordFile, log, threads });
  await viewer;
  await using _watch = development ? await watchModule(node, log) : undefined;
  await using _pageWatch = development && page !== undefined ? await watchPage(page, { settings, log }) : undefined;
  // The banner of a cluster is its supervisor's.
  const pretty = isPretty(settings) && supervised === undefined;
  announce(node, { settings, log, pretty, development });
  supervised?.ready({
    url: urlOf(node, settings),
    port: node.port,
    world: node.world.schema.name,
    incarnation: node.incarnation,
    peerAddress: '',
  });
  // A service under systemd; the nodes of a cluster have their supervisor.
  using service = supervised === undefined ? ServiceManager.connect(log) : undefined;
  if (service !== undefined) await firstTick(node);
  await service?.ready(`${node.world.schema.name} at ${urlOf(node, settings)}`, { isAlive: progressOf(node) });
  // At once: a node may drain before it stops.
  void stopped.then(() => service?.stopping());
  const end = await endOf(node, { stopped, drainOnStop: settings.drainOnStop, log });
  if (end.kind === 'drained') supervised?.drained({ restarts: end.restarts });
  const failure = end.kind === 'failed' ? end.failure : undefined;
  await service?.stopping();
  // A supervisor has said so for all.
  if (failure === undefined && pretty) note('worldmesh: stopping');
  else if (failure === undefined && supervised === undefined) log.info('stopping');
  await node.stop();
  if (failure !== undefined) reportFailure(failure);
  else log.info('stopped');
  process.exitCode = failure === undefined ? EXIT_CODE.ok : EXIT_CODE.failure;
}

const FIRST_TICK_MS_MAX = 2000;
const FIRST_TICK_LOOK_MS = 5;

/** With it players can join. A node that waits for others of its cluster is up all the same. */
async function firstTick({ store }: WorldNode): Promise<void> {
  const endMs = performance.now() + FIRST_TICK_MS_MAX;
  while (!store.control.isReady && performance.now() < endMs) await wait(FIRST_TICK_LOOK_MS);
}

/** Whether ticks have gone on since the last question, and the gateway answers. */
function progressOf(node: WorldNode): () => Promise<boolean> {
  let lastTick = -1;
  return async () => {
    await node.sessionCount();
    const { tick } = node.store.control;
    const hasProgress = tick !== lastTick;
    lastTick = tick;
    return hasProgress;
  };
}

/** A drain that is not over by then is given up for a clean stop: whoever asked waits. */
const DRAIN_ON_STOP_MS_MAX = 60_000;
/** And one that has nobody left to give to, because the others stop as well: that is looked for so often. */
const DRAIN_ALONE_MS = 1000;

type NodeEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'drained'; readonly restarts: boolean }
  | { readonly kind: 'failed'; readonly failure: WorldFailure };

async function endOf(
  node: WorldNode,
  { stopped, drainOnStop, log }: { stopped: Promise<undefined>; drainOnStop: boolean; log: Log },
): Promise<NodeEnd> {
  const drained = node.drained.then(({ restarts }): NodeEnd => ({ kind: 'drained', restarts }));
  const failed = node.ended.then((failure): NodeEnd => ({ kind: 'failed', failure }));
  const end = await Promise.race([stopped.then((): NodeEnd => ({ kind: 'stopped' })), drained, failed]);
  if (end.kind !== 'stopped' || !drainOnStop) return end;
  log.info('this node drains before it stops');
  if (!(await node.drain())) return end;
  const { promise: late, resolve } = Promise.withResolvers<NodeEnd>();
  const giveUp = (why: string): void => {
    log.warn('the drain is not over: this node stops, and keeps what it has', { why });
    resolve(end);
  };
  const timer = setTimeout(() => giveUp(`${DRAIN_ON_STOP_MS_MAX / 1000} s are over`), DRAIN_ON_STOP_MS_MAX);
  const looking = setInterval(() => {
    void node.drain().then(
      (goesOn) => goesOn || giveUp('nobody is there to give to'),
      () => undefined,
    );
  }, DRAIN_ALONE_MS);
  try {
    return await Promise.race([drained, failed, late]);
  } finally {
    clearTimeout(timer);
    clearInterval(looking);
  }
}

/** The first SIGTERM or SIGINT resolves; a second one ends the process at once. */
function stopSignal(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) process.exit(EXIT_CODE.failure);
    isStopping = true;
    resolve(undefined);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return promise;
}

async function prepare(log: Log): Promise<void> {
  const { prepareViewer } = await import('../viewer-files.ts');
  const problem = await prepareViewer();
  if (problem !== undefined) log.warn('the viewer page could not be bundled; the world runs without it', { problem });
}

async function bundle(settings: Settings): Promise<PageBundle | undefined> {
  if (settings.page === '') return undefined;
  const [{ bundlePage }, { pageDirectory }] = await Promise.all([
    import('../page-bundle.ts'),
    import('../node-settings.ts'),
  ]);
  return bundlePage(settings.page, { directory: pageDirectory(settings) });
}

/** Its world module is among what it is made of. */
async function watchPage(
  page: PageBundle,
  { settings, log }: { settings: Settings; log: Log },
): Promise<AsyncDisposable> {
  const { ModuleWatch } = await import('../dev-watch.ts');
  const watch: InstanceType<typeof ModuleWatch> = new ModuleWatch(page.sources, async (file) => {
    try {
      const bundled = await bundle(settings);
      watch.add(bundled?.sources ?? []);
      log.info(`${path.basename(file)} changed: the page is bundled again; reload it in the browser`);
    } catch (error) {
      log.error(`${path.basename(file)} changed, but the page cannot be bundled`);
      note(errorBlock(error));
    }
  });
  await watch.ready();
  return watch;
}

async function watchModule(node: WorldNode, log: Log): Promise<AsyncDisposable> {
  const { ModuleWatch } = await import('../dev-watch.ts');
  const { loadWorldModule } = await import('../world-module.ts');
  const watch: InstanceType<typeof ModuleWatch> = new ModuleWatch(node.world.files, async (file) => {
    const startMs = performance.now();
    try {
      const world: WorldModule = await loadWorldModule(node.world.url);
      watch.add(world.files);
      const result = await node.reload(world);
      const tookMs = Math.round(performance.now() - startMs);
      const store = result === 'kept' ? 'the world goes on' : 'new schema, entities carried over';
      log.info(`${path.basename(file)} changed: ${store} (${tookMs} ms)`);
    } catch (error) {
      log.error(`${path.basename(file)} changed, but the world cannot go on with it`);
      note(errorBlock(error));
    }
  });
  await watch.ready();
  return watch;
}

function announce(
  node: WorldNode,
  { settings, log, pretty, development }: { settings: Settings; log: Log; pretty: boolean; development: boolean },
): void {
  const url = urlOf(node, settings);
  const { name, version } = node.world.schema;
  if (!pretty) {
    log.info('ready', {
      url,
      port: node.port,
      world: name,
      version,
      workers: settings.workers,
      incarnation: node.incarnation,
      entities: node.store.entityCount,
    });
    return;
  }
  const { width, depth, maxX, minX } = node.store.grid;
  const lines = [
    '',
    `  ${styled(['bold', 'cyan'], name)} ${styled('dim', `version ${version}`)} is running`,
    '',
    `  ${settings.viewer ? 'Open' : 'Metrics'}    ${styled(['bold', 'underline'], settings.viewer ? url : `${url}metrics`)}`,
    ...(settings.page === '' ? [] : [`  Play    ${styled(['bold', 'underline'], `${url}play/`)}`]),
    `  Clients ${styled('bold', `${url.replace('http', 'ws')}connect`)}`,
    `  World   ${maxX - minX} m, ${width} × ${depth} cells, ${node.store.entityCount} entities`,
    `  Ticks   ${settings.tickHz} Hz on ${settings.workers} ${settings.workers === 1 ? 'worker' : 'workers'}, snapshots ${settings.snapshotHz} Hz`,
    development ? styled('dim', '  Change the module and the world goes on with it. Stop with Ctrl+C.') : '',
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function urlOf({ port }: WorldNode, { host }: Settings): string {
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${shownHost.includes(':') ? `[${shownHost}]` : shownHost}:${port}/`;
}

function reportFailure({ system, cell, entity, message, stack }: WorldFailure): void {
  note(`${styled(['bold', 'red'], 'worldmesh:', process.stderr)} world code threw, and the world stopped
  system: ${system}
  cell:   ${cell}
  entity: ${entity === 0 ? 'unknown' : entity}
  error:  ${message}
${userFrames(stack).split('\n').slice(1).join('\n')}`);
}
