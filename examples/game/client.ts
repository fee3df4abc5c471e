/** Magpies in a browser: one canvas, keys or a finger, and the world module for types and prediction. */
import { connect } from 'worldmesh/client';
import type { Client, EntityOf } from 'worldmesh/client';
import world, { ARENA_SIZE, NEST_RADIUS } from './world.ts';

type Player = Extract<EntityOf<typeof world>, { kind: 'magpie' }>;

const METRES_ACROSS = 40;
const NOTICE_MS = 2500;
const STEPS = { up: [0, -1], left: [-1, 0], down: [0, 1], right: [1, 0] } as const;
const KEYS = new Map<string, readonly [x: number, z: number]>([
  ['KeyW', STEPS.up],
  ['KeyA', STEPS.left],
  ['KeyS', STEPS.down],
  ['KeyD', STEPS.right],
  ['ArrowUp', STEPS.up],
  ['ArrowLeft', STEPS.left],
  ['ArrowDown', STEPS.down],
  ['ArrowRight', STEPS.right],
]);
const find = <Found extends HTMLElement>(id: string): Found => document.getElementById(id) as Found;
const canvas = find<HTMLCanvasElement>('arena');
const pen = canvas.getContext('2d')!;
const held = new Set<string>();
let pointer: readonly [x: number, z: number] | undefined;
let noticeUntilMs = 0;

find('join').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('name', find<HTMLInputElement>('name').value);
  play();
});
// A page that is loaded again goes on where it was.
if (sessionStorage.getItem('session') !== null) play();

function play(): void {
  find('join').hidden = true;
  const client = connect<typeof world>(new URL('/connect', location.href.replace(/^http/, 'ws')).href, {
    world,
    name: sessionStorage.getItem('name') ?? '',
    storage: sessionStorage,
    storageKey: 'session',
  });
  // For the console of the browser.
  Object.assign(globalThis, { client });
  let sent = '';
  client.onStatus(({ kind }) => {
    // Whether the last one arrived is not known.
    if (kind !== 'online') sent = '';
  });
  client.onEvent((event) => {
    if (event.name === 'brought' && event.entity.isSelf) notice(`${event.payload.pieces} brought to the nest`);
    if (event.name === 'robbed' && event.entity.isSelf) notice('Robbed! Now you are the faster one');
    if (event.name === 'robbed' && event.payload.by === client.self?.id) notice('Half of it is yours: run to the nest');
  });
  const frame = (): void => {
    const self = client.self as Player | undefined;
    const wish = wishedMove();
    // What is carried changes the speed. A wish that cannot be sent now is tried again.
    const said = `${wish.moveX} ${wish.moveZ} ${self?.components.beak.carried}`;
    if (said !== sent && client.input(wish)) sent = said;
    client.update();
    draw([...client.entities.values()], self);
    find('status').textContent = statusText(client);
    requestAnimationFrame(frame);
  };
  frame();
}

function wishedMove(): { moveX: number; moveZ: number } {
  const steps = pointer === undefined ? [...held].map((key) => KEYS.get(key) ?? [0, 0]) : [pointer];
  // Beyond 1 the SDK and the server take it for 1.
  const along = (axis: 0 | 1): number => steps.reduce((sum, step) => sum + step[axis], 0);
  return { moveX: along(0), moveZ: along(1) };
}

function statusText({ status, isStale }: Client<typeof world>): string {
  if (status.kind === 'connecting') return 'Connecting …';
  if (status.kind === 'reconnecting') return 'The connection is lost; your magpie waits. Trying again …';
  if (status.kind === 'closed') return `The game is over here: ${status.error?.message ?? 'you left'}`;
  return isStale ? 'Nothing is heard of the server …' : '';
}

function draw(entities: readonly EntityOf<typeof world>[], self: Player | undefined): void {
  canvas.width = innerWidth * devicePixelRatio;
  canvas.height = innerHeight * devicePixelRatio;
  const scale = Math.min(canvas.width, canvas.height) / METRES_ACROSS;
  pen.translate(canvas.width / 2, canvas.height / 2);
  pen.scale(scale, scale);
  pen.translate(-(self?.renderX ?? 0), -(self?.renderZ ?? 0));
  pen.fillStyle = '#20302a';
  pen.fillRect(-ARENA_SIZE / 2, -ARENA_SIZE / 2, ARENA_SIZE, ARENA_SIZE);
  pen.fillStyle = '#263a32';
  for (let row = -8; row < 8; row++) {
    for (let column = -8 + (row & 1); column < 8; column += 2) pen.fillRect(column * 8, row * 8, 8, 8);
  }
  disc(0, 0, NEST_RADIUS, '#8a6a4a');
  disc(0, 0, NEST_RADIUS - 0.6, '#5b4636');
  label(0, 0.45, 'nest', '#b89a7a');
  for (const { kind, renderX, renderZ } of entities) if (kind === 'glitter') disc(renderX, renderZ, 0.5, '#ffe9a8');
  const players = entities.filter((entity): entity is Player => entity.kind === 'magpie');
  for (const player of players) drawPlayer(player);
  players.sort((one, other) => other.components.nest.score - one.components.nest.score);
  const lines = players.map(({ components: { look, nest } }) => `${nest.score}  ${look.name || 'magpie'}`);
  find('scores').textContent = lines.join('\n');
  find('notice').hidden = performance.now() > noticeUntilMs;
}

function drawPlayer({ renderX, renderZ, isSelf, components: { look, beak } }: Player): void {
  if (isSelf) disc(renderX, renderZ, 1.15, '#ffffff');
  disc(renderX, renderZ, 1, `#${look.colour.toString(16).padStart(6, '0')}`);
  label(renderX, renderZ - 1.6, look.name, '#ffffff');
  if (beak.carried > 0) label(renderX, renderZ + 0.45, String(beak.carried), '#131a17');
}

function label(x: number, z: number, text: string, colour: string): void {
  pen.fillStyle = colour;
  pen.textAlign = 'center';
  pen.font = '1.3px system-ui';
  pen.fillText(text, x, z);
}

function disc(x: number, z: number, radius: number, colour: string): void {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, z, radius, 0, 2 * Math.PI);
  pen.fill();
}

function notice(text: string): void {
  find('notice').textContent = text;
  noticeUntilMs = performance.now() + NOTICE_MS;
}

addEventListener('keydown', ({ code }) => held.add(code));
addEventListener('keyup', ({ code }) => held.delete(code));
addEventListener('blur', () => held.clear());
canvas.addEventListener('pointermove', ({ buttons, clientX, clientY }) => {
  const reach = Math.min(innerWidth, innerHeight) / 4;
  pointer = buttons === 0 ? undefined : [(clientX - innerWidth / 2) / reach, (clientY - innerHeight / 2) / reach];
});
addEventListener('pointerup', () => (pointer = undefined));
