/** What a bot does: it walks about, if the world's input has moveX and moveZ, and else sends whatever is valid. */
import type { Random } from '../../base/random.ts';
import type { Values } from '../../base/pack.ts';
import { naturalRange } from '../../base/schema.ts';
import type { FieldSchema, Schema } from '../../base/schema.ts';
import type { Welcome } from '../../wire/messages.ts';

/** The ways of one bot: what it wants to do. */
export interface Way {
  /** The input to send now, or undefined for none; the same object each time. */
  next(nowMs: number, self: { readonly x: number; readonly z: number }): Values | undefined;
  /** The last one was taken by the SDK: it will be sent. */
  taken?(): void;
  /** Another node has the player now, or is about to. */
  ownerChanged?(nowMs: number): void;
}
export type NewWay = (random: Random, schema: Schema, welcome: Welcome) => Way;

const TURN_SECONDS_MIN = 1;
const TURN_SECONDS_MAX = 4;
/** Closer to the edge than this share of the world's side, a bot turns to the middle. */
const MARGIN_SHARE = 0.02;
/** Fields without a declared range are given values around zero. */
const PLAIN_RANGE = 1000;

export class Walk implements Way {
  readonly #random: Random;
  readonly #schema: Schema;
  readonly #welcome: Welcome;
  readonly #walks: boolean;
  readonly #values: Values = {};
  #turnAtMs = 0;

  constructor(random: Random, schema: Schema, welcome: Welcome) {
    this.#random = random;
    this.#schema = schema;
    this.#welcome = welcome;
    const names = schema.input.map((field) => field.name);
    this.#walks = names.includes('moveX') && names.includes('moveZ');
    for (const field of schema.input)
      this.#values[field.name] = this.#walks ? restValue(field) : randomValue(field, random);
  }

  next(nowMs: number, { x, z }: { x: number; z: number }): Values {
    if (nowMs < this.#turnAtMs) return this.#values;
    this.#turnAtMs = nowMs + this.#random.between(TURN_SECONDS_MIN, TURN_SECONDS_MAX) * 1000;
    if (!this.#walks) {
      for (const field of this.#schema.input) this.#values[field.name] = randomValue(field, this.#random);
      return this.#values;
    }
    const heading = this.#isNearEdge(x, z) ? Math.atan2(-z, -x) : this.#random.between(-Math.PI, Math.PI);
    this.#values['moveX'] = Math.cos(heading);
    this.#values['moveZ'] = Math.sin(heading);
    return this.#values;
  }

  #isNearEdge(x: number, z: number): boolean {
    const { minX, minZ, maxX, maxZ } = this.#welcome;
    const margin = MARGIN_SHARE * Math.min(maxX - minX, maxZ - minZ);
    return x < minX + margin || x > maxX - margin || z < minZ + margin || z > maxZ - margin;
  }
}

function restValue(field: FieldSchema): unknown {
  const { min = 0, max = 0 } = field;
  if (field.type === 'text') return '';
  if (field.type === 'bytes') return new Uint8Array();
  return field.type === 'bool' ? false : Math.min(Math.max(0, min), Math.max(0, max));
}

function randomValue(field: FieldSchema, random: Random): unknown {
  switch (field.type) {
    case 'bool':
      return random.below(2) === 1;
    case 'text':
      return '';
    case 'bytes':
      return new Uint8Array();
    case 'list':
      return [];
    case 'entity':
      return 0;
    default: {
      const natural = naturalRange(field.type);
      const min = field.min ?? Math.max(natural.min, -PLAIN_RANGE);
      const max = field.max ?? Math.min(natural.max, PLAIN_RANGE);
      const value = random.between(min, max);
      return field.type === 'f32' || field.type === 'f64' ? value : Math.round(value);
    }
  }
}
