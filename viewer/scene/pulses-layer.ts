/** Local handovers as they happen: a short ring where the entity crossed the border. One draw call for all. */
import { Buffer, BufferUsage, Geometry, GlProgram, Mesh, Shader, UniformGroup, type Container } from 'pixi.js';
import type { Camera, Viewport } from '../camera.ts';
import { COLOUR, channelsOf } from '../palette.ts';

/** Pulses alive at once; the oldest is overwritten, because more rings than this are noise. */
const PULSES_MAX = 512;
const PULSE_FLOATS = 3;
const PULSE_SECONDS = 0.9;
const LONG_AGO_SECONDS = -1000;

const VERTEX = `#version 300 es
in vec3 aPulse;
uniform vec2 uCentre;
uniform vec2 uViewport;
uniform float uScale;
uniform float uNow;
uniform float uPixelRatio;
uniform float uGrows;
out float vAge;
out float vSize;
void main() {
  vAge = (uNow - aPulse.z) / ${PULSE_SECONDS.toFixed(2)};
  vec2 offset = (aPulse.xy - uCentre) * uScale;
  gl_Position = vec4(offset.x * 2.0 / uViewport.x, -offset.y * 2.0 / uViewport.y, 0.0, 1.0);
  float full = clamp(uScale * 7.0, 13.0, 46.0);
  vSize = mix(full * 0.7, mix(full * 0.3, full, sqrt(clamp(vAge, 0.0, 1.0))), uGrows) * uPixelRatio;
  gl_PointSize = vSize;
  if (vAge < 0.0 || vAge > 1.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in float vAge;
in float vSize;
uniform vec3 uColour;
out vec4 finalColor;
void main() {
  float distance = length(gl_PointCoord * 2.0 - 1.0);
  float soft = 3.0 / vSize;
  float ring = smoothstep(0.74 - soft, 0.82, distance) * (1.0 - smoothstep(0.98 - soft, 0.98, distance));
  float fade = (1.0 - vAge) * (1.0 - vAge);
  float alpha = (ring * 0.9 + (1.0 - smoothstep(0.0, 0.9, distance)) * 0.22) * fade;
  if (alpha < 0.01) discard;
  finalColor = vec4(uColour * alpha, alpha);
}`;

export class PulsesLayer {
  readonly #rows = new Float32Array(PULSES_MAX * PULSE_FLOATS).fill(LONG_AGO_SECONDS);
  readonly #buffer: Buffer;
  readonly #uniforms;
  #next = 0;
  #changed = false;

  constructor(parent: Container, { isStill }: { isStill: boolean }) {
    this.#buffer = new Buffer({ data: this.#rows, usage: BufferUsage.VERTEX | BufferUsage.COPY_DST });
    this.#uniforms = new UniformGroup({
      uCentre: { value: new Float32Array(2), type: 'vec2<f32>' },
      uViewport: { value: new Float32Array(2), type: 'vec2<f32>' },
      uScale: { value: 1, type: 'f32' },
      uNow: { value: 0, type: 'f32' },
      uPixelRatio: { value: 1, type: 'f32' },
      uGrows: { value: isStill ? 0 : 1, type: 'f32' },
      uColour: {
        value: new Float32Array(channelsOf(COLOUR.pulse)),
        type: 'vec3<f32>',
      },
    });
    const geometry = new Geometry({
      topology: 'point-list',
      attributes: { aPulse: { buffer: this.#buffer, format: 'float32x3', stride: PULSE_FLOATS * 4, offset: 0 } },
    });
    const shader = new Shader({
      glProgram: GlProgram.from({ vertex: VERTEX, fragment: FRAGMENT, name: 'pulses' }),
      resources: { pulses: this.#uniforms },
    });
    parent.addChild(new Mesh({ geometry, shader }));
  }

  /** `atSeconds` on the clock that `draw` is given; it may lie a little ahead. */
  add(x: number, z: number, atSeconds: number): void {
    this.#rows.set([x, z, atSeconds], this.#next * PULSE_FLOATS);
    this.#next = (this.#next + 1) % PULSES_MAX;
    this.#changed = true;
  }

  draw({
    camera,
    viewport,
    pixelRatio,
    nowSeconds,
  }: {
    camera: Camera;
    viewport: Viewport;
    pixelRatio: number;
    nowSeconds: number;
  }): void {
    if (this.#changed) this.#buffer.update();
    this.#changed = false;
    const { uniforms } = this.#uniforms;
    (uniforms.uCentre as Float32Array).set([camera.centreX, camera.centreZ]);
    (uniforms.uViewport as Float32Array).set([viewport.width, viewport.height]);
    uniforms.uScale = camera.scale;
    uniforms.uNow = nowSeconds;
    uniforms.uPixelRatio = pixelRatio;
  }
}
