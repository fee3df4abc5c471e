/** Magpies in a browser: one canvas, keys or a finger, and the world module for types and prediction. */
import { connect, type Client, type EntityOf } from 'worldmesh/client';
import world, { ARENA_SIZE, NEST_RADIUS } from './world.ts';

const METRES_ACROSS = 40;
const find = <Found extends HTMLElement>(id: string): Found => document.getElementById(id) as Found;
const pen = find<HTMLCanvasElement>('arena').getContext('2d')!;
const held = new Set<string>();
const push = (...keys: readonly string[]): number => (keys.some((key) => held.has(key)) ? 1 : 0);
let pointed: { moveX: number; moveZ: number } | undefined;

function play(): void {
  find('join').hidden = true;
  const options = { world, name: sessionStorage.getItem('name') ?? '', storage: sessionStorage, storageKey: 'session' };
  const client = connect<typeof world>(new URL('/connect', location.href.replace(/^http/, 'ws')).href, options);
  // For the console of the browser.
  Object.assign(globalThis, { client });
  // A wish is sent when it changes, when the speed does by what is carried, and when the last one may be lost.
  let sent = '';
  client.onStatus(() => (sent = ''));
  client.onEvent((event) => {
    if (event.name === 'brought' && event.entity.isSelf) notice(`${event.payload.pieces} brought to the nest`);
    if (event.name === 'robbed' && event.entity.isSelf) notice('Robbed! Now you are the faster one');
    if (event.name === 'robbed' && event.payload.by === client.self?.id) notice('Half of it is yours: run to the nest');
  });
  requestAnimationFrame(function frame() {
    const moveX = pointed?.moveX ?? push('KeyD', 'ArrowRight') - push('KeyA', 'ArrowLeft');
    const moveZ = pointed?.moveZ ?? push('KeyS', 'ArrowDown') - push('KeyW', 'ArrowUp');
    const said = JSON.stringify([moveX, moveZ, client.self?.components]);
    if (said !== sent && client.input({ moveX, moveZ })) sent = said;
    client.update();
    draw([...client.entities.values()], client.self);
    find('status').textContent = statusText(client);
    requestAnimationFrame(frame);
  });
}

function statusText({ status, isStale }: Client<typeof world>): string {
  if (status.kind === 'connecting') return 'Connecting …';
  if (status.kind === 'reconnecting') return 'The connection is lost; your magpie waits. Trying again …';
  if (status.kind === 'closed') return `The game is over here: ${status.error?.message ?? 'you left'}`;
  return isStale ? 'Nothing is heard of the server …' : '';
}

function draw(entities: readonly EntityOf<typeof world>[], eye = { renderX: 0, renderZ: 0 }): void {
  const width = (pen.canvas.width = innerWidth * devicePixelRatio);
  const height = (pen.canvas.height = innerHeight * devicePixelRatio);
  const scale = Math.min(width, height) / METRES_ACROSS;
  pen.setTransform(scale, 0, 0, scale, width / 2 - eye.renderX * scale, height / 2 - eye.renderZ * scale);
  pen.font = '1.3px system-ui';
  pen.textAlign = 'center';
  pen.fillStyle = '#263a32';
  for (let x = -ARENA_SIZE / 2; x < ARENA_SIZE / 2; x += 8) {
    for (let z = -ARENA_SIZE / 2 + (x & 8); z < ARENA_SIZE / 2; z += 16) pen.fillRect(x, z, 8, 8);
  }
  disc(0, 0, NEST_RADIUS, '#8a6a4a', 'nest');
  for (const { kind, renderX, renderZ } of entities) if (kind === 'glitter') disc(renderX, renderZ, 0.5, '#ffe9a8');
  const players = entities.filter((entity) => entity.kind === 'magpie');
  for (const { renderX, renderZ, isSelf, components: parts } of players) {
    if (isSelf) disc(renderX, renderZ, 1.15, '#ffffff');
    disc(renderX, renderZ, 1, `#${parts.look.colour.toString(16).padStart(6, '0')}`, `${parts.beak.carried || ''}`);
    pen.fillStyle = '#ffffff';
    pen.fillText(parts.look.name, renderX, renderZ - 1.6);
  }
  players.sort((one, other) => other.components.nest.score - one.components.nest.score);
  const lines = players.map(({ components: { look, nest } }) => `${nest.score}  ${look.name || 'magpie'}`);
  find('scores').textContent = lines.join('\n');
}

function disc(x: number, z: number, radius: number, colour: string, text = ''): void {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, z, radius, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = '#131a17';
  pen.fillText(text, x, z + 0.45);
}

function notice(text: string): void {
  find('notice').textContent = text;
  find('notice').animate({ opacity: [1, 1, 0] }, 2500);
}

addEventListener('keydown', ({ code }) => held.add(code));
addEventListener('keyup', ({ code }) => held.delete(code));
addEventListener('blur', () => held.clear());
addEventListener('pointerup', () => (pointed = undefined));
addEventListener('pointermove', ({ buttons, clientX, clientY }) => {
  const reach = Math.min(innerWidth, innerHeight) / 4;
  const way = { moveX: (clientX - innerWidth / 2) / reach, moveZ: (clientY - innerHeight / 2) / reach };
  pointed = buttons === 0 ? undefined : way;
});
find('join').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('name', find<HTMLInputElement>('name').value);
  play();
});
// A page that is loaded again goes on where it was.
if (sessionStorage.getItem('session') !== null) play();
