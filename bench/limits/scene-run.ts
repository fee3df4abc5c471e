/** A server of ours on one core and its clients on another. */
import { clientsProcess, CLIENTS_CORE, SERVER_CORE } from '../peers/measure.ts';
import { worldSizeFor } from '../peers/scene.ts';
import { MeasuredServer } from '../peers/servers.ts';
import type { SideProcess } from '../peers/side-process.ts';

export interface Rates {
  readonly tickHz: number;
  readonly snapshotHz: number;
  readonly inputsHz: number;
}

export class PinnedRun implements AsyncDisposable {
  readonly server: MeasuredServer;
  readonly clients: SideProcess;

  /** @param people how many the world has room for, at the density of the scene. */
  static async start(people: number, { tickHz, snapshotHz, inputsHz }: Rates): Promise<PinnedRun> {
    const crowd = { people, worldSize: worldSizeFor(people) };
    const server = await MeasuredServer.start('worldmesh', { crowd, tickHz, stateHz: snapshotHz, core: SERVER_CORE });
    const plan = { side: 'worldmesh', port: server.port, crowd, inputsHz, stateHz: snapshotHz } as const;
    return new PinnedRun(server, clientsProcess(plan, CLIENTS_CORE));
  }

  private constructor(server: MeasuredServer, clients: SideProcess) {
    this.server = server;
    this.clients = clients;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clients[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
