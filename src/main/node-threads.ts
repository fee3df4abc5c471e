/**
 * The threads of a node, spawned before there is anything for them to do: they load their code while the world module
 * is looked at, so that a node is ready sooner.
 */
import { spawnGateway } from '../net/gateway-thread.ts';
import type { SpawnedGateway } from '../net/gateway-thread.ts';
import { SimulationThreads } from './simulation.ts';

export class NodeThreads implements AsyncDisposable {
  readonly simulation: SimulationThreads;
  readonly gateway: SpawnedGateway;

  static spawn({ workers, moduleUrl }: { workers: number; moduleUrl: string }): NodeThreads {
    return new NodeThreads(SimulationThreads.spawn(workers, moduleUrl), spawnGateway());
  }

  private constructor(simulation: SimulationThreads, gateway: SpawnedGateway) {
    this.simulation = simulation;
    this.gateway = gateway;
  }

  /** Ends them, also those that a node has taken over. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.gateway.worker.terminate(), this.simulation[Symbol.asyncDispose]()]);
  }
}
