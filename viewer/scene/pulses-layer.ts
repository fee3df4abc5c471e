/** Local handovers as they happen: a short ring where the entity crossed the border. */
import type { Container } from 'pixi.js';
import { COLOUR, channelsOf } from '../palette.ts';
import { RING_VERTEX, Rings } from './rings.ts';
import type { RingsView } from './rings.ts';

/** Pulses alive at once; the oldest is overwritten, because more rings than this are noise. */
const PULSES_MAX = 512;
const PULSE_SECONDS = 0.9;
const COLOUR_TEXT = channelsOf(COLOUR.pulse)
  .map((channel) => channel.toFixed(4))
  .join(', ');

const VERTEX = `${RING_VERTEX}
in vec3 aPulse;
void main() {
  vAge = (uNow - aPulse.z) / ${PULSE_SECONDS.toFixed(2)};
  float full = clamp(uScale * 7.0, 13.0, 46.0);
  vSize = mix(full * 0.7, mix(full * 0.3, full, sqrt(clamp(vAge, 0.0, 1.0))), uGrows) * uPixelRatio;
  gl_PointSize = vSize;
  gl_Position = vAge < 0.0 || vAge > 1.0 ? NOWHERE : clipPosition(aPulse.xy);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in float vAge;
in float vSize;
out vec4 finalColor;
void main() {
  float distance = length(gl_PointCoord * 2.0 - 1.0);
  float soft = 3.0 / vSize;
  float ring = smoothstep(0.74 - soft, 0.82, distance) * (1.0 - smoothstep(0.98 - soft, 0.98, distance));
  float fade = (1.0 - vAge) * (1.0 - vAge);
  float alpha = (ring * 0.9 + (1.0 - smoothstep(0.0, 0.9, distance)) * 0.22) * fade;
  if (alpha < 0.01) discard;
  finalColor = vec4(vec3(${COLOUR_TEXT}) * alpha, alpha);
}`;

export class PulsesLayer {
  readonly #rings: Rings;
  #next = 0;

  constructor(parent: Container, { isStill }: { isStill: boolean }) {
    this.#rings = new Rings(parent, {
      name: 'pulses',
      vertex: VERTEX,
      fragment: FRAGMENT,
      attributes: { aPulse: 3 },
      rowsMax: PULSES_MAX,
      isStill,
    });
  }

  /** `atSeconds` on the clock that `draw` is given; it may lie a little ahead. */
  add(x: number, z: number, atSeconds: number): void {
    this.#rings.set(this.#next, [x, z, atSeconds]);
    this.#next = (this.#next + 1) % PULSES_MAX;
  }

  draw(view: RingsView): void {
    this.#rings.draw(view);
  }
}
