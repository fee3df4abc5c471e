/** Rings that are born at a time, grow and fade: rows of one buffer, one draw call for all, and nothing to do for a frame but its uniforms. */
import { Buffer, BufferUsage, Geometry, GlProgram, Mesh, Shader, UniformGroup, type Container } from 'pixi.js';
import type { Camera, Viewport } from '../camera.ts';

const FLOAT_BYTES = 4;
/** Of a row that was never written. */
export const LONG_AGO_SECONDS = -1000;

/** What a vertex shader of rings is given, and where on the screen its place is. */
export const RING_VERTEX = `#version 300 es
uniform vec2 uCentre;
uniform vec2 uViewport;
uniform float uScale;
uniform float uNow;
uniform float uPixelRatio;
uniform float uGrows;
out float vAge;
out float vSize;
const vec4 NOWHERE = vec4(2.0, 2.0, 2.0, 1.0);
vec4 clipPosition(vec2 place) {
  vec2 offset = (place - uCentre) * uScale;
  return vec4(offset.x * 2.0 / uViewport.x, -offset.y * 2.0 / uViewport.y, 0.0, 1.0);
}
`;

export interface RingsOptions {
  readonly name: string;
  /** Begins with RING_VERTEX. */
  readonly vertex: string;
  readonly fragment: string;
  /** Floats of each attribute of a row, in order. */
  readonly attributes: Readonly<Record<string, 3 | 4>>;
  readonly rowsMax: number;
  /** Rings appear, and do not grow. */
  readonly isStill: boolean;
}

export interface RingsView {
  readonly camera: Camera;
  readonly viewport: Viewport;
  readonly pixelRatio: number;
  readonly nowSeconds: number;
}

export class Rings {
  readonly #rows: Float32Array;
  readonly #rowFloats: number;
  readonly #buffer: Buffer;
  readonly #uniforms;
  readonly #mesh: Mesh<Geometry, Shader>;
  #hasChanged = false;

  constructor(parent: Container, { name, vertex, fragment, attributes, rowsMax, isStill }: RingsOptions) {
    const floats = Object.entries(attributes);
    this.#rowFloats = floats.reduce((sum, [, count]) => sum + count, 0);
    this.#rows = new Float32Array(rowsMax * this.#rowFloats).fill(LONG_AGO_SECONDS);
    this.#buffer = new Buffer({ data: this.#rows, usage: BufferUsage.VERTEX | BufferUsage.COPY_DST });
    this.#uniforms = new UniformGroup({
      uCentre: { value: new Float32Array(2), type: 'vec2<f32>' },
      uViewport: { value: new Float32Array(2), type: 'vec2<f32>' },
      uScale: { value: 1, type: 'f32' },
      uNow: { value: 0, type: 'f32' },
      uPixelRatio: { value: 1, type: 'f32' },
      uGrows: { value: isStill ? 0 : 1, type: 'f32' },
    });
    const geometry = new Geometry({ topology: 'point-list' });
    let offset = 0;
    for (const [attribute, count] of floats) {
      const stride = this.#rowFloats * FLOAT_BYTES;
      geometry.addAttribute(attribute, { buffer: this.#buffer, format: `float32x${count}`, stride, offset });
      offset += count * FLOAT_BYTES;
    }
    const shader = new Shader({
      glProgram: GlProgram.from({ vertex, fragment, name }),
      resources: { rings: this.#uniforms },
    });
    this.#mesh = parent.addChild(new Mesh({ geometry, shader }));
    // As long as there is none it shall not cost a draw call.
    this.#mesh.visible = false;
  }

  set(row: number, values: readonly number[]): void {
    this.#rows.set(values, row * this.#rowFloats);
    this.#hasChanged = true;
  }

  /** Of rows from 0 on. */
  clear(count: number): void {
    this.#rows.fill(LONG_AGO_SECONDS, 0, count * this.#rowFloats);
    this.#hasChanged = true;
  }

  draw({ camera, viewport, pixelRatio, nowSeconds }: RingsView): void {
    if (this.#hasChanged) {
      this.#mesh.visible = true;
      this.#buffer.update();
    }
    this.#hasChanged = false;
    const { uniforms } = this.#uniforms;
    (uniforms.uCentre as Float32Array).set([camera.centreX, camera.centreZ]);
    (uniforms.uViewport as Float32Array).set([viewport.width, viewport.height]);
    uniforms.uScale = camera.scale;
    uniforms.uNow = nowSeconds;
    uniforms.uPixelRatio = pixelRatio;
  }
}
