/** What the process of the clients is told, and says. */
import type { Crowd } from './scene.ts';

export type Side = 'worldmesh' | 'colyseus' | 'bare';

export interface ClientsPlan {
  readonly side: Side;
  readonly port: number;
  readonly crowd: Crowd;
  readonly inputsHz: number;
  readonly stateHz: number;
}

export type ClientsOrder =
  | { readonly type: 'grow'; readonly count: number }
  | { readonly type: 'shrink'; readonly count: number }
  | { readonly type: 'window' };

export interface Grown {
  readonly type: 'grown';
  readonly seconds: number;
  readonly online: number;
}

/** Clients that decode what they are sent, spread evenly among all; the others count and time it. */
export const OBSERVERS_MAX = 50;
