/** The page: one canvas, the arrow keys, WASD or a finger. docs/CLIENT.md of Worldmesh is the reference of the SDK. */
import { connect, type Client, type EntityOf } from 'worldmesh/client';
import world, { FIELD_SIZE } from '../world.ts';

const METRES_ACROSS = 40;
const find = (id: string): HTMLElement => document.getElementById(id)!;
const pen = (find('field') as HTMLCanvasElement).getContext('2d')!;
const held = new Set<string>();
const push = (...keys: readonly string[]): number => (keys.some((key) => held.has(key)) ? 1 : 0);
let pointed: { moveX: number; moveZ: number } | undefined;

const client = connect<typeof world>(new URL('/connect', location.href.replace(/^http/, 'ws')).href, {
  world,
  name: new URLSearchParams(location.search).get('name') ?? 'you',
  storage: sessionStorage,
  storageKey: 'session',
});
// For the console of the browser.
Object.assign(globalThis, { client });

// A wish is sent when it changes, and again after the connection was lost.
let sent = '';
client.onStatus(() => (sent = ''));
client.onEvent((event) => {
  if (event.name === 'picked' && event.entity.isSelf) find('coins').animate({ scale: [1.5, 1] }, 300);
});

requestAnimationFrame(function frame() {
  const moveX = pointed?.moveX ?? push('KeyD', 'ArrowRight') - push('KeyA', 'ArrowLeft');
  const moveZ = pointed?.moveZ ?? push('KeyS', 'ArrowDown') - push('KeyW', 'ArrowUp');
  const wish = JSON.stringify([moveX, moveZ]);
  if (wish !== sent && client.input({ moveX, moveZ })) sent = wish;
  client.update();
  draw([...client.entities.values()], client.self);
  const { self } = client;
  find('coins').textContent = self?.kind === 'player' ? `${self.components.purse.coins} coins` : '';
  find('status').textContent = statusText(client);
  requestAnimationFrame(frame);
});

function statusText({ status, isStale }: Client<typeof world>): string {
  if (status.kind === 'connecting') return 'Connecting …';
  if (status.kind === 'reconnecting') return 'The connection is lost. Trying again …';
  if (status.kind === 'closed') return `The game is over here: ${status.error?.message ?? 'you left'}`;
  return isStale ? 'Nothing is heard of the server …' : '';
}

/** Metres become pixels; the own entity is in the middle. */
function draw(entities: readonly EntityOf<typeof world>[], eye = { renderX: 0, renderZ: 0 }): void {
  const width = (pen.canvas.width = innerWidth * devicePixelRatio);
  const height = (pen.canvas.height = innerHeight * devicePixelRatio);
  const scale = Math.min(width, height) / METRES_ACROSS;
  pen.setTransform(scale, 0, 0, scale, width / 2 - eye.renderX * scale, height / 2 - eye.renderZ * scale);
  pen.font = '1.2px system-ui';
  pen.textAlign = 'center';
  pen.fillStyle = '#2c4237';
  pen.fillRect(-FIELD_SIZE / 2, -FIELD_SIZE / 2, FIELD_SIZE, FIELD_SIZE);
  for (const entity of entities) {
    if (entity.kind === 'coin') disc(entity, { radius: 0.5, colour: '#ffd84d' });
  }
  for (const entity of entities) {
    if (entity.kind !== 'player') continue;
    const { name, colour } = entity.components.look;
    disc(entity, { radius: 1, colour: `#${colour.toString(16).padStart(6, '0')}` });
    pen.fillStyle = '#ffffff';
    pen.fillText(name, entity.renderX, entity.renderZ - 1.5);
  }
}

function disc(at: { renderX: number; renderZ: number }, { radius, colour }: { radius: number; colour: string }): void {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(at.renderX, at.renderZ, radius, 0, 2 * Math.PI);
  pen.fill();
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
