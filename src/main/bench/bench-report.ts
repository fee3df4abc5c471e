/** A bench result as text for people. */
import { MEASURED_FIELDS, PHASE_FIELDS } from './run-bench.ts';
import type { BenchResult, Distribution, HistogramBar, MeasuredField } from './run-bench.ts';

const LABELS: Readonly<Record<MeasuredField, string>> = {
  totalMs: 'tick',
  intakeMs: '  intake',
  simulateMs: '  simulate',
  moveMs: '  move',
  settleMs: '  settle',
  indexMs: '  index',
  observeMs: '  observe',
  latenessMs: 'lateness',
};
const BAR_WIDTH = 50;
const MIB = 1024 * 1024;

export function benchText(result: BenchResult): string {
  const { scene, hardware } = result;
  const pace = scene.asFastAsPossible ? 'as fast as possible' : `${scene.tickHz} Hz in real time`;
  const workers = `${scene.workers} ${scene.workers === 1 ? 'worker' : 'workers'}`;
  return [
    `worldmesh bench · Node ${hardware.node} · ${hardware.platform} · ${hardware.cores} × ${hardware.cpu} · ${gib(hardware.memoryBytes)}`,
    `${count(scene.entities)} entities, ${scene.worldSizeMetres} m, ${count(scene.cells)} cells of ${scene.cellSizeMetres} m · ${workers}, kernel ${scene.kernel} · ${pace}`,
    `${count(result.ticks)} ticks in ${result.seconds.toFixed(1)} s after ${result.warmUpTicks} to warm up · ${result.ticksPerSecond.toFixed(1)} ticks/s · ` +
      `${result.ticksLate} late, ${result.ticksSkipped} skipped · ${result.localHandoversPerTick.toFixed(1)} local handovers per tick`,
    '',
    distributionTable(result),
    '',
    limitTable(result),
    '',
    'tick time, ms',
    ...result.tickHistogram.map((bar) => barText(bar, Math.max(...result.tickHistogram.map(({ count: n }) => n)))),
    '',
    garbageText(result),
  ].join('\n');
}

function distributionTable({ distributions, nsPerEntity, scene }: BenchResult): string {
  const columns = ['p50', 'p90', 'p99', 'p999', 'max', 'mean'] as const satisfies readonly (keyof Distribution)[];
  const head = `${'milliseconds'.padEnd(14)}${['p50', 'p90', 'p99', 'p99.9', 'max', 'mean'].map((name) => name.padStart(10)).join('')}   ns/entity (p50)`;
  const rows = MEASURED_FIELDS.filter((field) => field !== 'latenessMs' || !scene.asFastAsPossible).map((field) => {
    const cells = columns.map((column) => distributions[field][column].toFixed(3).padStart(10)).join('');
    const perEntity = field === 'latenessMs' ? '' : nsPerEntity[field].toFixed(2).padStart(12);
    return `${LABELS[field].padEnd(14)}${cells}   ${perEntity}`;
  });
  return [head, ...rows].join('\n');
}

/** The phases beside the limits that were measured in the same run. */
function limitTable({ nsPerEntity, rawLoops, scene }: BenchResult): string {
  const kernelNs = scene.kernel === 'simd' ? rawLoops.simdNs : rawLoops.typescriptNs;
  const ratio = (ns: number): string => `${(ns / kernelNs).toFixed(2).padStart(8)}×`;
  const phases = PHASE_FIELDS.reduce((sum, field) => sum + nsPerEntity[field], 0);
  const row = (label: string, ns: number): string => `${label.padEnd(38)}${ns.toFixed(2).padStart(10)} ${ratio(ns)}`;
  return [
    `${'ns per entity, same entities, same run'.padEnd(38)}${'ns'.padStart(10)} ${'of kernel'.padStart(9)}`,
    row('raw loop, plain typed arrays, 1 thread', rawLoops.typescriptNs),
    row('raw loop, SIMD kernel alone, 1 thread', rawLoops.simdNs),
    row('move', nsPerEntity.moveMs),
    row('simulate', nsPerEntity.simulateMs),
    row('simulate + move + settle', nsPerEntity.simulateMs + nsPerEntity.moveMs + nsPerEntity.settleMs),
    row('all phases', phases),
  ].join('\n');
}

function barText({ fromMs, toMs, count: n }: HistogramBar, countMax: number): string {
  const width = countMax === 0 ? 0 : Math.round((n / countMax) * BAR_WIDTH);
  // What is there is seen, however little of it.
  const bar = n > 0 && width === 0 ? '▏' : '█'.repeat(width);
  return `${fromMs.toFixed(3).padStart(9)} – ${toMs.toFixed(3).padStart(9)}  ${String(n).padStart(7)}  ${bar}`;
}

function garbageText({ garbage, memory, scene }: BenchResult): string {
  const threads = [
    ...garbage.workers.map((report, worker) => [`worker ${worker}`, report] as const),
    ['main', garbage.main] as const,
  ];
  const texts = threads.map(
    ([name, { collections, pauseMs, longestPauseMs }]) =>
      `${name}: ${collections} in ${pauseMs.toFixed(1)} ms, longest ${longestPauseMs.toFixed(1)} ms`,
  );
  const mib = (sizeBytes: number): string => `${Math.round(sizeBytes / MIB)} MiB`;
  return `garbage collections · ${texts.join(' · ')}
memory · store ${mib(scene.storeBytes)} · process ${mib(memory.residentBytes)} · main heap ${mib(memory.mainHeapBytes)}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function gib(sizeBytes: number): string {
  return `${(sizeBytes / 1024 / MIB).toFixed(1)} GiB`;
}
