/** Starts the page, or says plainly what is missing. */
import { DebugHandle } from './debug-handle.ts';
import { Page } from './page.ts';
import { element } from './page-elements.ts';
import { Scene } from './scene/scene.ts';

const canvas = element('map', HTMLCanvasElement);
const isStill = globalThis.matchMedia('(prefers-reduced-motion: reduce)').matches;
const origin = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;
try {
  const scene = await Scene.open(canvas, { isStill });
  const page = new Page(scene, { origin, pageHost: location.hostname, isStill });
  Object.defineProperty(globalThis, 'worldmesh', { value: Object.freeze(new DebugHandle(page)) });
} catch (error) {
  element('banner', HTMLElement).hidden = false;
  element('banner-title', HTMLElement).textContent = 'This page cannot draw the map';
  element('banner-text', HTMLElement).textContent = 'It needs a browser with WebGL 2.';
  throw error;
}
