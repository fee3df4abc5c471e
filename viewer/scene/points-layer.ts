/**
 * Entities as one draw call of points. A row has two positions (crowd.ts); the graphics processor moves each point
 * between them, so a frame of 10,000 walking entities costs the page one number, and rows are uploaded only when a
 * new overview frame is due.
 */
import { Buffer, BufferUsage, Geometry, GlProgram, Mesh, Shader, UniformGroup, type Container } from 'pixi.js';
import type { Camera, Viewport } from '../camera.ts';
import { CROWD_FLOATS } from '../crowd.ts';
import type { KindInfo } from '../overview-text.wire.ts';
import { PALETTE_SIZE, channelsOf, isPlayerKind, kindColour } from '../palette.ts';

const FLOAT_BYTES = 4;

/** Closer than this, in pixels per metre, entities have a rim and a nose; farther they are dots. */
const CLOSE_SCALE = 4.5;

const SHARED = `
in vec2 aFrom;
in vec2 aTo;
in float aKind;
uniform vec2 uCentre;
uniform vec2 uViewport;
uniform float uScale;
uniform float uBlend;
uniform float uPixelRatio;
uniform vec3 uHole;
uniform vec4 uPalette[${PALETTE_SIZE}];
vec4 clipPosition(vec2 place) {
  vec2 offset = (place - uCentre) * uScale;
  bool isHidden = aKind < -0.5 || distance(place, uHole.xy) < uHole.z;
  return isHidden ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(offset.x * 2.0 / uViewport.x, -offset.y * 2.0 / uViewport.y, 0.0, 1.0);
}`;

/** Far away the dots melt into a texture: a little transparency shows where they are dense. */
const FAR_VERTEX = `#version 300 es
${SHARED}
flat out vec4 vColour;
void main() {
  vec4 style = uPalette[clamp(int(aKind + 0.5), 0, ${PALETTE_SIZE - 1})];
  gl_Position = clipPosition(mix(aFrom, aTo, uBlend));
  gl_PointSize = (style.a > 0.5 ? clamp(7.0 + 2.0 * uScale, 8.0, 14.0) : clamp(1.9 + 1.5 * uScale, 2.0, 8.0)) * uPixelRatio;
  vColour = vec4(style.rgb, 0.9);
}`;

const FAR_FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 vColour;
out vec4 finalColor;
void main() {
  vec2 point = gl_PointCoord * 2.0 - 1.0;
  float alpha = clamp(1.7 - 1.7 * dot(point, point), 0.0, 1.0) * vColour.a;
  finalColor = vec4(vColour.rgb * alpha, alpha);
}`;

const CLOSE_VERTEX = `#version 300 es
${SHARED}
out vec3 vColour;
out float vSize;
out vec2 vHeading;
out float vPlayer;
void main() {
  vec4 style = uPalette[clamp(int(aKind + 0.5), 0, ${PALETTE_SIZE - 1})];
  gl_Position = clipPosition(mix(aFrom, aTo, uBlend));
  vPlayer = style.a;
  vSize = clamp(mix(2.2, 3.2, vPlayer) * uScale, mix(13.0, 20.0, vPlayer), 46.0) * uPixelRatio;
  gl_PointSize = vSize;
  vColour = style.rgb;
  vec2 walked = aTo - aFrom;
  float far = length(walked);
  vHeading = far > 0.01 ? walked / far : vec2(0.0);
}`;

/** A dark rim separates neighbours, a small nose shows where the entity walks, players have a halo. */
const CLOSE_FRAGMENT = `#version 300 es
precision highp float;
in vec3 vColour;
in float vSize;
in vec2 vHeading;
in float vPlayer;
out vec4 finalColor;
void main() {
  vec2 point = gl_PointCoord * 2.0 - 1.0;
  float soft = 2.6 / vSize;
  float away = length(point);
  float radius = 0.6;
  float body = 1.0 - smoothstep(radius - soft, radius, away);
  float rim = smoothstep(radius - 2.4 * soft, radius - 1.4 * soft, away);
  float along = dot(point, vHeading);
  float across = abs(point.x * vHeading.y - point.y * vHeading.x);
  float nose = step(0.3, along) * (1.0 - smoothstep(-soft, soft, across - (0.97 - along) * 0.8));
  float halo = vPlayer * 0.3 * (1.0 - smoothstep(radius, 1.0, away));
  vec3 colour = mix(vColour, vColour * 0.45, rim * body);
  float alpha = max(max(body, nose), halo);
  finalColor = vec4(colour * alpha, alpha);
}`;

export interface PointsView {
  readonly camera: Camera;
  readonly viewport: Viewport;
  readonly pixelRatio: number;
  readonly blend: number;
  /** Points inside are not drawn: x, z, radius in metres. */
  readonly hole: readonly [number, number, number];
}

export class PointsLayer {
  readonly #parent: Container;
  readonly #far: Shader;
  readonly #close: Shader;
  readonly #uniforms;
  #rows: Float32Array | undefined;
  #buffer: Buffer | undefined;
  #mesh: Mesh<Geometry, Shader> | undefined;

  constructor(parent: Container) {
    this.#parent = parent;
    this.#uniforms = new UniformGroup({
      uCentre: { value: new Float32Array(2), type: 'vec2<f32>' },
      uViewport: { value: new Float32Array(2), type: 'vec2<f32>' },
      uScale: { value: 1, type: 'f32' },
      uBlend: { value: 1, type: 'f32' },
      uPixelRatio: { value: 1, type: 'f32' },
      uHole: { value: new Float32Array(3), type: 'vec3<f32>' },
      uPalette: { value: new Float32Array(4 * PALETTE_SIZE), type: 'vec4<f32>', size: PALETTE_SIZE },
    });
    const resources = { entities: this.#uniforms };
    const far = { vertex: FAR_VERTEX, fragment: FAR_FRAGMENT, name: 'entities-far' };
    const close = { vertex: CLOSE_VERTEX, fragment: CLOSE_FRAGMENT, name: 'entities-close' };
    this.#far = new Shader({ glProgram: GlProgram.from(far), resources });
    this.#close = new Shader({ glProgram: GlProgram.from(close), resources });
  }

  destroy(): void {
    this.#mesh?.destroy();
    this.#buffer?.destroy();
    this.#mesh = undefined;
    this.#buffer = undefined;
    this.#rows = undefined;
  }

  setKinds(kinds: readonly KindInfo[]): void {
    const palette = this.#uniforms.uniforms.uPalette as Float32Array;
    for (let kind = 0; kind < PALETTE_SIZE; kind++) {
      palette.set([...channelsOf(kindColour(kinds, kind)), isPlayerKind(kinds, kind) ? 1 : 0], 4 * kind);
    }
  }

  /** The rows changed. The same array may be passed again: it is uploaded as it is now. */
  upload(rows: Float32Array): void {
    if (this.#rows === rows) {
      this.#buffer!.update();
      return;
    }
    this.#mesh?.destroy();
    this.#rows = rows;
    this.#buffer = new Buffer({ data: rows, usage: BufferUsage.VERTEX | BufferUsage.COPY_DST });
    const stride = CROWD_FLOATS * FLOAT_BYTES;
    const buffer = this.#buffer;
    const geometry = new Geometry({
      topology: 'point-list',
      attributes: {
        aFrom: { buffer, format: 'float32x2', stride, offset: 0 },
        aTo: { buffer, format: 'float32x2', stride, offset: 2 * FLOAT_BYTES },
        aKind: { buffer, format: 'float32', stride, offset: 4 * FLOAT_BYTES },
      },
    });
    this.#mesh = new Mesh({ geometry, shader: this.#far });
    this.#parent.addChild(this.#mesh);
  }

  draw({ camera, viewport, pixelRatio, blend, hole }: PointsView): void {
    const { uniforms } = this.#uniforms;
    (uniforms.uCentre as Float32Array).set([camera.centreX, camera.centreZ]);
    (uniforms.uViewport as Float32Array).set([viewport.width, viewport.height]);
    (uniforms.uHole as Float32Array).set(hole);
    uniforms.uScale = camera.scale;
    uniforms.uBlend = blend;
    uniforms.uPixelRatio = pixelRatio;
    if (this.#mesh !== undefined) this.#mesh.shader = camera.scale < CLOSE_SCALE ? this.#far : this.#close;
  }
}
