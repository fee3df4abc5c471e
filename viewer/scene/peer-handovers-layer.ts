/**
 * Handovers between nodes: a double ring in the colour of the new owner where the entity went over, amber where one came
 * back; and those in doubt as a throbbing ring until they are resolved.
 */
import type { Container } from 'pixi.js';
import { channelsOf } from '../palette.ts';
import type { InDoubt } from '../peer-traffic.ts';
import { RING_VERTEX, Rings } from './rings.ts';
import type { RingsView } from './rings.ts';

/** Rings alive at once; the oldest is overwritten. */
const FLASHES_MAX = 512;
/** Shown at once, of all nodes. */
const IN_DOUBT_MAX = 512;
const FLASH_SECONDS = 1.3;

const VERTEX = `${RING_VERTEX}
in vec3 aPulse;
in vec4 aColour;
out vec4 vColour;
void main() {
  bool isInDoubt = aColour.a > 0.5;
  float age = (uNow - aPulse.z) / ${FLASH_SECONDS.toFixed(2)};
  float throb = uGrows > 0.5 ? fract(uNow * 0.8) : 0.4;
  vAge = isInDoubt ? 0.35 * throb : age;
  float full = clamp(uScale * 11.0, 20.0, 72.0);
  vSize = (isInDoubt ? full * (0.6 + 0.25 * throb) : mix(full * 0.7, mix(full * 0.35, full, sqrt(clamp(age, 0.0, 1.0))), uGrows)) * uPixelRatio;
  gl_PointSize = vSize;
  vColour = aColour;
  bool isOver = isInDoubt ? aPulse.z < 0.0 : age < 0.0 || age > 1.0;
  gl_Position = isOver ? NOWHERE : clipPosition(aPulse.xy);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in float vAge;
in float vSize;
in vec4 vColour;
out vec4 finalColor;
float ringAt(float distance, float radius, float soft) {
  return smoothstep(radius - 0.09 - soft, radius - 0.05, distance) * (1.0 - smoothstep(radius - soft, radius, distance));
}
void main() {
  float distance = length(gl_PointCoord * 2.0 - 1.0);
  float soft = 3.0 / vSize;
  float fade = (1.0 - vAge) * (1.0 - vAge);
  float ring = max(ringAt(distance, 0.98, soft), ringAt(distance, 0.62, soft));
  float alpha = (ring + (1.0 - smoothstep(0.0, 0.6, distance)) * 0.35) * fade;
  if (alpha < 0.01) discard;
  vec3 bright = mix(vColour.rgb, vec3(1.0), 0.35);
  finalColor = vec4(bright * alpha, alpha);
}`;

export class PeerHandoversLayer {
  /** First those in doubt, then the flashes. */
  readonly #rings: Rings;
  #next = 0;

  constructor(parent: Container, { isStill }: { isStill: boolean }) {
    this.#rings = new Rings(parent, {
      name: 'peer-handovers',
      vertex: VERTEX,
      fragment: FRAGMENT,
      attributes: { aPulse: 3, aColour: 4 },
      rowsMax: IN_DOUBT_MAX + FLASHES_MAX,
      isStill,
    });
  }

  /** `atSeconds` on the clock that `draw` is given; it may lie a little ahead. */
  flash(x: number, z: number, { colour, atSeconds }: { colour: number; atSeconds: number }): void {
    this.#rings.set(IN_DOUBT_MAX + this.#next, [x, z, atSeconds, ...channelsOf(colour), 0]);
    this.#next = (this.#next + 1) % FLASHES_MAX;
  }

  /** Replaces those shown before. */
  setInDoubt(all: readonly InDoubt[]): void {
    this.#rings.clear(IN_DOUBT_MAX);
    for (const [index, { x, z, colour }] of all.slice(0, IN_DOUBT_MAX).entries()) {
      this.#rings.set(index, [x, z, 1, ...channelsOf(colour), 1]);
    }
  }

  draw(view: RingsView): void {
    this.#rings.draw(view);
  }
}
