/**
 * The ground: one texel per cell, tinted by the cell's load and, in a cluster, by its owner, and the player's interest circle a little brighter.
 *
 * It covers most of the screen, so it has a fragment shader of its own with one texel fetch and no blending: the
 * general sprite shader halves the frame rate where the processor draws instead of a graphics card.
 */
import {
  Buffer,
  BufferImageSource,
  BufferUsage,
  Geometry,
  GlProgram,
  Mesh,
  Shader,
  State,
  UniformGroup,
  type Container,
} from 'pixi.js';
import type { Camera, Viewport } from '../camera.ts';
import type { GridShape } from '../overview-text.wire.ts';
import { NO_LOAD, type CellValues } from '../ground-load.core.ts';
import { COLOUR, channelsOf, loadColour, ownedColour } from '../palette.ts';

/** The full tint is for the fullest cell, if it stands out: it has so many times the mean. */
const FULL_CELL_MEANS_MIN = 3;
/** The tint is for the view from above: it fades where a cell is larger than this on the screen, in pixels. */
const TINT_PIXELS_MAX = 160;
const TINT_CLOSE = 0.3;

const VERTEX = `#version 300 es
in vec2 aCorner;
uniform vec2 uCentre;
uniform vec2 uViewport;
uniform float uScale;
uniform vec4 uArea;
uniform vec2 uCells;
uniform vec4 uInterest;
out vec2 vCell;
out vec2 vInterest;
void main() {
  vec2 place = uArea.xy + aCorner * uArea.zw;
  vec2 offset = (place - uCentre) * uScale;
  gl_Position = vec4(offset.x * 2.0 / uViewport.x, -offset.y * 2.0 / uViewport.y, 0.0, 1.0);
  vCell = aCorner * uCells;
  vInterest = (place - uInterest.xy) / uInterest.z;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 vCell;
in vec2 vInterest;
uniform sampler2D uLoad;
uniform vec4 uInterest;
uniform vec4 uLand;
out vec4 finalColor;
void main() {
  vec3 colour = mix(uLand.rgb, texelFetch(uLoad, ivec2(vCell), 0).rgb, uLand.a);
  float square = dot(vInterest, vInterest);
  if (square < 1.0) colour = colour * 1.15 + 0.022;
  if (abs(square - 1.0) < 0.25) {
    float away = abs(sqrt(square) - 1.0) * uInterest.w;
    colour = mix(vec3(0.8, 0.86, 0.88), colour, 0.35 + 0.65 * smoothstep(0.5, 1.5, away));
  }
  finalColor = vec4(colour, 1.0);
}`;

const CORNERS = [0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1];
const FAR_AWAY = 1e9;

export class GroundLayer {
  readonly #uniforms;
  readonly #shader: Shader;
  #grid: GridShape | undefined;
  #texels = new Uint8Array(4);
  #source = makeSource(this.#texels, { width: 1, depth: 1 });

  constructor(parent: Container) {
    this.#uniforms = new UniformGroup({
      uCentre: { value: new Float32Array(2), type: 'vec2<f32>' },
      uViewport: { value: new Float32Array([1, 1]), type: 'vec2<f32>' },
      uScale: { value: 1, type: 'f32' },
      uArea: { value: new Float32Array(4), type: 'vec4<f32>' },
      uCells: { value: new Float32Array(2), type: 'vec2<f32>' },
      /** x, z and radius in metres, radius in pixels. */
      uInterest: { value: new Float32Array(4), type: 'vec4<f32>' },
      /** Colour of an empty cell, and the strength of the tint. */
      uLand: { value: new Float32Array([...channelsOf(COLOUR.land), 1]), type: 'vec4<f32>' },
    });
    this.#shader = new Shader({
      glProgram: GlProgram.from({ vertex: VERTEX, fragment: FRAGMENT, name: 'ground' }),
      resources: { ground: this.#uniforms, uLoad: this.#source },
    });
    const buffer = new Buffer({ data: new Float32Array(CORNERS), usage: BufferUsage.VERTEX | BufferUsage.COPY_DST });
    const geometry = new Geometry({
      attributes: { aCorner: { buffer, format: 'float32x2', stride: 8, offset: 0 } },
    });
    const state = new State();
    state.blend = false;
    parent.addChild(new Mesh({ geometry, shader: this.#shader, state }));
  }

  setGrid(grid: GridShape): void {
    this.#grid = grid;
    const before = this.#source;
    this.#texels = new Uint8Array(4 * grid.width * grid.depth);
    this.#source = makeSource(this.#texels, grid);
    this.#shader.resources.uLoad = this.#source;
    before.destroy();
    const { uniforms } = this.#uniforms;
    const { cellSize } = grid;
    (uniforms.uArea as Float32Array).set([
      grid.firstCellX * cellSize,
      grid.firstCellZ * cellSize,
      grid.width * cellSize,
      grid.depth * cellSize,
    ]);
    (uniforms.uCells as Float32Array).set([grid.width, grid.depth]);
    this.setCells(NO_LOAD);
  }

  /** The load of each cell, row by row; and in a cluster the colour of each cell's owner. */
  setCells({ values: cells, fullMin }: CellValues, owners?: readonly number[]): void {
    const grid = this.#grid;
    if (grid === undefined) return;
    let fullest = fullMin;
    let total = 0;
    for (const count of cells) {
      total += count;
      if (count > fullest) fullest = count;
    }
    fullest = Math.max(fullest, (FULL_CELL_MEANS_MIN * total) / Math.max(1, cells.length));
    for (let cell = 0; cell < grid.width * grid.depth; cell++) {
      const share = (cells[cell] ?? 0) / fullest;
      const owner = owners?.[cell];
      const colour = owner === undefined ? loadColour(share) : ownedColour(owner, share);
      this.#texels[4 * cell] = colour >> 16;
      this.#texels[4 * cell + 1] = (colour >> 8) & 0xff;
      this.#texels[4 * cell + 2] = colour & 0xff;
      this.#texels[4 * cell + 3] = 255;
    }
    this.#source.update();
  }

  draw(
    { camera, viewport, pixelRatio }: { camera: Camera; viewport: Viewport; pixelRatio: number },
    interest: { readonly x: number; readonly z: number; readonly aoiRadius: number } | undefined,
  ): void {
    const { uniforms } = this.#uniforms;
    (uniforms.uCentre as Float32Array).set([camera.centreX, camera.centreZ]);
    (uniforms.uViewport as Float32Array).set([viewport.width, viewport.height]);
    uniforms.uScale = camera.scale;
    (uniforms.uInterest as Float32Array).set(
      interest === undefined
        ? [FAR_AWAY, FAR_AWAY, 1, 1]
        : [interest.x, interest.z, Math.max(interest.aoiRadius, 0.001), interest.aoiRadius * camera.scale * pixelRatio],
    );
    const cellPixels = (this.#grid?.cellSize ?? 1) * camera.scale;
    const tint = Math.max(TINT_CLOSE, Math.min(1, TINT_PIXELS_MAX / cellPixels));
    (uniforms.uLand as Float32Array)[3] = tint;
  }
}

function makeSource(texels: Uint8Array, { width, depth }: { width: number; depth: number }): BufferImageSource {
  for (let texel = 0; texel < width * depth; texel++) {
    texels.set([COLOUR.land >> 16, (COLOUR.land >> 8) & 0xff, COLOUR.land & 0xff, 255], 4 * texel);
  }
  return new BufferImageSource({
    resource: texels,
    width,
    height: depth,
    format: 'rgba8unorm',
    scaleMode: 'nearest',
    alphaMode: 'no-premultiply-alpha',
  });
}
