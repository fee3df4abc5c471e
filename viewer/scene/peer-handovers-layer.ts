/**
 * Handovers between nodes: a double ring in the colour of the new owner where the entity went over, amber where one came
 * back; and those in doubt as a throbbing ring until they are resolved. One draw call for all.
 */
import { Buffer, BufferUsage, Geometry, GlProgram, Mesh, Shader, UniformGroup, type Container } from 'pixi.js';
import type { Camera, Viewport } from '../camera.ts';
import { channelsOf } from '../palette.ts';
import type { InDoubt } from '../peer-traffic.ts';

/** Rings alive at once; the oldest is overwritten. */
const FLASHES_MAX = 512;
/** Shown at once, of all nodes. */
const IN_DOUBT_MAX = 512;
const ROW_FLOATS = 7;
const FLASH_SECONDS = 1.3;
const LONG_AGO_SECONDS = -1000;

const VERTEX = `#version 300 es
in vec3 aPulse;
in vec4 aColour;
uniform vec2 uCentre;
uniform vec2 uViewport;
uniform float uScale;
uniform float uNow;
uniform float uPixelRatio;
uniform float uGrows;
out float vAge;
out float vSize;
out vec4 vColour;
void main() {
  bool isInDoubt = aColour.a > 0.5;
  float age = (uNow - aPulse.z) / ${FLASH_SECONDS.toFixed(2)};
  float throb = uGrows > 0.5 ? fract(uNow * 0.8) : 0.4;
  vAge = isInDoubt ? 0.35 * throb : age;
  vec2 offset = (aPulse.xy - uCentre) * uScale;
  gl_Position = vec4(offset.x * 2.0 / uViewport.x, -offset.y * 2.0 / uViewport.y, 0.0, 1.0);
  float full = clamp(uScale * 11.0, 20.0, 72.0);
  vSize = (isInDoubt ? full * (0.6 + 0.25 * throb) : mix(full * 0.7, mix(full * 0.35, full, sqrt(clamp(age, 0.0, 1.0))), uGrows)) * uPixelRatio;
  gl_PointSize = vSize;
  vColour = aColour;
  bool isOver = isInDoubt ? aPulse.z < 0.0 : age < 0.0 || age > 1.0;
  if (isOver) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
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
  readonly #rows = new Float32Array((IN_DOUBT_MAX + FLASHES_MAX) * ROW_FLOATS).fill(LONG_AGO_SECONDS);
  readonly #buffer: Buffer;
  readonly #uniforms;
  readonly #mesh: Mesh<Geometry, Shader>;
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
    });
    const stride = ROW_FLOATS * 4;
    const buffer = this.#buffer;
    const geometry = new Geometry({
      topology: 'point-list',
      attributes: {
        aPulse: { buffer, format: 'float32x3', stride, offset: 0 },
        aColour: { buffer, format: 'float32x4', stride, offset: 12 },
      },
    });
    const shader = new Shader({
      glProgram: GlProgram.from({ vertex: VERTEX, fragment: FRAGMENT, name: 'peer-handovers' }),
      resources: { peers: this.#uniforms },
    });
    this.#mesh = parent.addChild(new Mesh({ geometry, shader }));
    // A node alone has none: it shall not cost it a draw call.
    this.#mesh.visible = false;
  }

  /** `atSeconds` on the clock that `draw` is given; it may lie a little ahead. */
  flash(x: number, z: number, { colour, atSeconds }: { colour: number; atSeconds: number }): void {
    const row = (IN_DOUBT_MAX + this.#next) * ROW_FLOATS;
    this.#rows.set([x, z, atSeconds, ...channelsOf(colour), 0], row);
    this.#next = (this.#next + 1) % FLASHES_MAX;
    this.#changed = true;
  }

  /** Replaces those shown before. */
  setInDoubt(all: readonly InDoubt[]): void {
    this.#rows.fill(LONG_AGO_SECONDS, 0, IN_DOUBT_MAX * ROW_FLOATS);
    for (const [index, { x, z, colour }] of all.slice(0, IN_DOUBT_MAX).entries()) {
      this.#rows.set([x, z, 1, ...channelsOf(colour), 1], index * ROW_FLOATS);
    }
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
    if (this.#changed) {
      this.#mesh.visible = true;
      this.#buffer.update();
    }
    this.#changed = false;
    const { uniforms } = this.#uniforms;
    (uniforms.uCentre as Float32Array).set([camera.centreX, camera.centreZ]);
    (uniforms.uViewport as Float32Array).set([viewport.width, viewport.height]);
    uniforms.uScale = camera.scale;
    uniforms.uNow = nowSeconds;
    uniforms.uPixelRatio = pixelRatio;
  }
}
