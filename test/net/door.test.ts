/** Who is let in at all: origins, addresses behind proxies, rates by address and account, clocks. */
import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import test from 'ava';
import * as fc from 'fast-check';
import { SignJWT } from 'jose';
import { addressKey } from '../../src/net/address-count.core.ts';
import { clientAddress } from '../../src/net/client-address.core.ts';
import { judgeClock, skewText } from '../../src/net/clock-skew.core.ts';
import { DoorLimits } from '../../src/net/door-limits.ts';
import { addressText, isWithin, readAddress, readRange } from '../../src/net/ip-address.core.ts';
import { isOriginAllowed, isOriginRule } from '../../src/net/origin.core.ts';
import { PROTECTION_DEFAULTS } from '../../src/net/protection.ts';
import { BucketTable } from '../../src/net/token-bucket.core.ts';
import { HELLO, startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const HOUR_MS = 3_600_000;

/** What the door says to a WebSocket: 101, or the status and the code of its refusal. */
function knock(rig: Rig, headers: Readonly<Record<string, string>>, path = '/connect'): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  };
  const asked = request({ host: '127.0.0.1', port: rig.port, path, headers: { ...upgrade, ...headers } });
  asked.on('upgrade', (_, socket) => {
    socket.destroy();
    resolve('101');
  });
  asked.on('response', (response) => {
    let text = '';
    response.on('data', (data: Buffer) => {
      text += data.toString();
    });
    response.on('end', () => {
      const body = text === '' ? {} : (JSON.parse(text) as { code?: string });
      resolve(`${response.statusCode} ${body.code ?? ''}`);
    });
  });
  asked.on('error', reject);
  asked.end();
  return promise;
}

test('by default pages of the same host and of this machine may connect, and programs', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const host = `game.example:${rig.port}`;
  for (const path of ['/connect', '/', '/overview']) {
    const from = (origin: string | undefined) =>
      knock(rig, { host, ...(origin === undefined ? {} : { origin }) }, path);
    for (const origin of [
      undefined,
      'https://game.example',
      'http://GAME.example:1',
      'http://localhost:5173',
      'http://[::1]:3000',
    ]) {
      t.is(await from(origin), '101', `${path} ${origin}`);
    }
    const foreign = [
      'https://evil.example',
      'https://game.example.evil.example',
      'https://xgame.example',
      'null',
      '',
      'https://game.example@evil.example',
      'https://game.example, https://evil.example',
      'game.example',
      'http://127.0.0.1.evil.example',
    ];
    for (const origin of foreign) t.is(await from(origin), '403 ERR_ORIGIN', `${path} ${origin}`);
  }
  t.is((await rig.gateway.report()).errors['ERR_ORIGIN'], 27);
  // An old browser has another header for it.
  t.is(
    await knock(rig, { host, 'sec-websocket-version': '8', 'sec-websocket-origin': 'https://evil.example' }),
    '403 ERR_ORIGIN',
  );
});

test('the setting origins says which pages may connect, and originRequired that only pages may', async (t) => {
  const origins = ['https://game.example', 'https://*.play.example', '*.lan', 'null'];
  const rig = await startRig({ origins, originRequired: true });
  t.teardown(() => rig.dispose());
  const from = (origin?: string) => knock(rig, { host: 'server.example', ...(origin === undefined ? {} : { origin }) });
  const fine = [
    'https://game.example',
    'https://game.example:443',
    'https://eu.play.example',
    'https://a.b.play.example',
    'http://pc.lan:8080',
    'null',
  ];
  for (const origin of fine) t.is(await from(origin), '101', origin);
  const foreign = [
    undefined,
    'http://game.example',
    'https://game.example:8443',
    'https://play.example',
    'http://eu.play.example',
    'https://lan',
    'https://server.example',
    'http://localhost',
  ];
  for (const origin of foreign) t.is(await from(origin), '403 ERR_ORIGIN', origin);
});

test('an origin that is allowed is one that a rule names, whatever is said', (t) => {
  const rules = { origins: ['https://game.example', 'https://*.play.example'], originRequired: true };
  const piece = fc.constantFrom(
    'https://',
    'http://',
    'game.example',
    '.play.example',
    'a',
    ':443',
    ':80',
    '/',
    '@',
    '#',
    '\\',
    '?',
    ' ',
    ',',
    '%2e',
    'ß',
    '[::1]',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
        fc.string(),
      ),
      (origin) => {
        if (!isOriginAllowed({ origin, host: undefined }, rules)) return true;
        // A second opinion: the URL standard's.
        const { protocol, hostname, port, pathname, username } = new URL(origin);
        const isNamed = hostname === 'game.example' || hostname.endsWith('.play.example');
        return protocol === 'https:' && port === '' && pathname === '/' && username === '' && isNamed;
      },
    ),
    { numRuns: 5000 },
  );
  for (const rule of ['https://game.example', 'https://*.a.example:8443', '*.lan', '*', 'null'])
    t.true(isOriginRule(rule), rule);
  for (const rule of ['', 'game.example', 'https://', 'https://*', 'https://a.*.example', 'https://a/b', '**.lan'])
    t.false(isOriginRule(rule), rule);
});

test('an address has one form, however it is written', (t) => {
  const same = ['2001:db8::1:0:0:5', '2001:0DB8:0:0:1:0:0:5', '2001:db8:0:0:1::5', '2001:db8::1:0:0:5%eth0'];
  for (const text of same) t.is(addressText(readAddress(text)!), '2001:db8::1:0:0:5', text);
  for (const text of ['10.0.0.7', '::ffff:10.0.0.7', '::ffff:a00:7', '0:0:0:0:0:ffff:10.0.0.7'])
    t.is(addressKey(text), '10.0.0.7', text);
  for (const text of ['::1', '0:0:0:0:0:0:0:1']) t.is(addressKey(text), '::1', text);
  const wrong = [
    '',
    'x',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::12345',
    '1.2.3.4::',
    '::1.2.3',
    '1:2:3:4:5:6:7::8',
    'g::',
  ];
  for (const text of wrong) t.is(readAddress(text), undefined, text);
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }), (groups) => {
      t.deepEqual(readAddress(addressText(groups)), groups);
      return isWithin(groups, readRange(`${addressText(groups)}`)!);
    }),
  );
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => readAddress(text) !== undefined));
  const within = (address: string, range: string) => isWithin(readAddress(address)!, readRange(range)!);
  t.true(within('10.1.2.3', '10.0.0.0/8') && within('::ffff:10.1.2.3', '10.0.0.0/8') && within('8.8.8.8', '0.0.0.0/0'));
  t.false(within('11.1.2.3', '10.0.0.0/8') || within('2001:db9::', '2001:db8::/32') || within('::1', '0.0.0.0/0'));
  for (const range of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '/8', '10.0.0.0/8/8'])
    t.is(readRange(range), undefined, range);
});

test('X-Forwarded-For counts only as far as trusted proxies have written it', (t) => {
  const proxies = ['10.0.0.0/8', '::1'].map((range) => readRange(range)!);
  const from = (remoteAddress: string | undefined, forwardedFor?: string) =>
    clientAddress({ remoteAddress, forwardedFor }, proxies);
  t.is(from('203.0.113.9', '1.2.3.4'), '203.0.113.9');
  t.is(from('10.0.0.8', '1.2.3.4, 203.0.113.9, 10.0.0.7'), '203.0.113.9');
  t.is(from('::ffff:10.0.0.8', '2001:DB8:0::5'), '2001:db8::5');
  t.is(from('10.0.0.8', '[2001:db8::5]:443'), '2001:db8::5');
  t.is(from('10.0.0.8', '203.0.113.9:50000'), '203.0.113.9');
  t.is(from('10.0.0.8', '1.2.3.4, unknown, 10.0.0.7'), '10.0.0.7');
  t.is(from('10.0.0.8', '127.0.0.1, 203.0.113.9'), '203.0.113.9');
  t.is(from('::1', '10.1.1.1,10.1.1.2'), '10.1.1.1');
  t.is(from('10.0.0.8', `${'1.2.3.4,'.repeat(1000)}1.2.3.4`), '10.0.0.8');
  t.is(from('10.0.0.8', Array.from({ length: 20 }, (_, hop) => `10.0.0.${hop}`).join()), '10.0.0.4');
  t.is(from('10.0.0.8'), '10.0.0.8');
  t.is(from(undefined, '1.2.3.4'), '');
  const hop = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.constantFrom('', '10.0.0.1', '[', ']', ':', '1.2.3.4:', '%'),
  );
  fc.assert(
    fc.property(fc.array(hop, { maxLength: 30 }), fc.ipV4(), (hops, client) => {
      // Whatever a client claims, what the last proxy heard is what counts.
      const isInside = client.startsWith('10.');
      return isInside || from('10.0.0.8', [...hops, client].join(', ')) === client;
    }),
    { numRuns: 2000 },
  );
});

test('new connections of an address come at their rate, behind a proxy too', async (t) => {
  const rig = await startRig({ trustProxy: ['127.0.0.1'], connectionsBurst: 4 });
  t.teardown(() => rig.dispose());
  const from = (address: string) => knock(rig, { 'x-forwarded-for': address });
  for (let connections = 0; connections < 4; connections++) t.is(await from('203.0.113.9'), '101');
  t.is(await from('203.0.113.9'), '429 ERR_LIMIT_CONNECTIONS');
  t.is(await from('1.2.3.4, 203.0.113.9'), '429 ERR_LIMIT_CONNECTIONS');
  t.is(await from('203.0.113.10'), '101');
  // A host of IPv6 has a whole /64.
  for (let connections = 0; connections < 4; connections++) t.is(await from(`2001:db8::${connections}`), '101');
  t.is(await from('2001:db8::ffff:5'), '429 ERR_LIMIT_CONNECTIONS');
  t.is((await rig.gateway.report()).connectionsHeldOff, 3);
  // The proxy itself, and whoever is not behind it, is this machine.
  for (let connections = 0; connections < 50; connections++) t.is(await knock(rig, {}), '101');
});

test('a header that nobody is trusted with says nothing', async (t) => {
  const rig = await startRig({ connectionsPerMinuteLoopback: 3 });
  t.teardown(() => rig.dispose());
  const answers: string[] = [];
  for (let host = 0; host < 5; host++) answers.push(await knock(rig, { 'x-forwarded-for': `203.0.113.${host}` }));
  t.deepEqual(answers, ['101', '101', '101', '429 ERR_LIMIT_CONNECTIONS', '429 ERR_LIMIT_CONNECTIONS']);
});

test('HTTP requests of an address come at their rate, and inspection is not for who came through a proxy', async (t) => {
  const rig = await startRig({ trustProxy: ['127.0.0.1'], requestsPerSecond: 1 });
  t.teardown(() => rig.dispose());
  const get = async (path: string, headers: Record<string, string>) => fetch(rig.http + path, { headers });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => get('/healthz', { 'x-forwarded-for': '203.0.113.9' })),
  );
  const refused = answers.filter(({ status }) => status === 429);
  t.true(answers.length - refused.length >= 10 && refused.length > 0, `${refused.length} of ${answers.length} refused`);
  t.is(((await refused[0]!.json()) as { code: string }).code, 'ERR_LIMIT_RATE');
  t.true((await rig.gateway.report()).requestsRefused >= 1);
  t.is((await get('/healthz', { 'x-forwarded-for': '203.0.113.10' })).status, 200);
  t.is((await get('/status', {})).status, 200);
  t.is((await get('/status', { 'x-forwarded-for': '127.0.0.1' })).status, 403);
  t.is((await get('/entities', { forwarded: 'for=127.0.0.1' })).status, 403);
});

test('a sweep through addresses takes no more memory than the tables have', (t) => {
  const limits = new DoorLimits(PROTECTION_DEFAULTS);
  for (let network = 0; network < 200_000; network++) {
    const address = `2001:db8:${(network >> 16).toString(16)}:${(network & 0xffff).toString(16)}::1`;
    limits.take('webSocket', address, 1000);
    limits.take('tcp', address, 1000);
  }
  t.true(limits.size <= 2 * 16_384, `${limits.size}`);
  // Its buckets are full again after four minutes, and then they go.
  for (let asked = 0; asked < 40_000; asked++) limits.take('webSocket', '203.0.113.9', 1000 + 240_001);
  for (let asked = 0; asked < 40_000; asked++) limits.take('tcp', '203.0.113.9', 1000 + 240_001);
  t.is(limits.size, 2);
});

test('a table of buckets gives each key its burst and its rate, full or not', (t) => {
  const limit = { perSecond: 2, burst: 5 };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(400)), { maxLength: 300 }), (asked) => {
      const table = new BucketTable(limit, 4);
      const taken = [0, 0, 0, 0];
      let nowMs = 0;
      for (const [key, pauseMs] of asked) {
        nowMs += pauseMs;
        if (table.take(String(key), nowMs)) taken[key]!++;
      }
      return table.size <= 4 && taken.every((count) => count <= limit.burst + (nowMs * limit.perSecond) / 1000 + 1e-6);
    }),
  );
  const table = new BucketTable(limit, 1);
  t.true(table.take('a', 0));
  t.true(table.take('b', 0));
  t.is(table.size, 1);
});

test('bytes of a connection have a rate of their own', async (t) => {
  const rig = await startRig({
    bytesPerSecond: 256,
    bytesBurst: 4096,
    messagesPerSecond: 10_000,
    messagesBurst: 10_000,
  });
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  const { client: other } = await TestClient.join(rig.url);
  for (let messages = 0; messages < 1000; messages++) client.send({ type: 'ping', nonce: messages });
  t.deepEqual(await client.end(), { error: 'ERR_LIMIT_RATE', code: 4004 });
  other.send({ type: 'ping', nonce: 7 });
  t.is((await other.next('pong')).nonce, 7);
});

test('sessions and logins of one account are bounded, those of others are theirs', async (t) => {
  const settings = {
    authMode: 'token',
    authSecret: SECRET,
    sessionsPerAccount: 2,
    loginsPerMinute: 4,
    resumeGraceMs: 0,
  } as const;
  const rig = await startRig(settings);
  t.teardown(() => rig.dispose());
  const key = new TextEncoder().encode(SECRET);
  const token = (sub: string) =>
    new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(key);
  const enter = async (account: string) => {
    const client = await TestClient.open(rig.url);
    client.send({ ...HELLO, token: await token(account) });
    return client;
  };
  const leave = async (client: TestClient) => {
    client.send({ type: 'bye' });
    await client.end();
  };
  const first = await enter('ada');
  await first.welcome();
  const second = await enter('ada');
  await second.welcome();
  t.deepEqual(await (await enter('ada')).end(), { error: 'ERR_LIMIT_ACCOUNT', code: 4007 });
  await (await enter('grace')).welcome();
  await leave(first);
  await until(async () => (await rig.gateway.report()).sessions === 2, 'the first session is over');
  const third = await enter('ada');
  await third.welcome();
  for (const client of [second, third]) await leave(client);
  await (await enter('ada')).welcome();
  t.deepEqual(await (await enter('ada')).end(), { error: 'ERR_LIMIT_ACCOUNT', code: 4007 });
});

test('a clock is taken, reported or refused by how far it is off', (t) => {
  const limit = { reportMs: 60_000, maxMs: HOUR_MS };
  const utcMs = Date.UTC(2026, 10, 21);
  const judge = (skewMs: number, given = limit) => judgeClock({ clientTimeMs: utcMs + skewMs, utcMs }, given).verdict;
  for (const sign of [-1, 1]) {
    t.is(judge(sign * 60_000), 'ok');
    t.is(judge(sign * 60_001), 'reported');
    t.is(judge(sign * HOUR_MS), 'reported');
    t.is(judge(sign * (HOUR_MS + 1)), 'refused');
    t.is(judge(sign * 1e15, { reportMs: 60_000, maxMs: 0 }), 'reported');
  }
  t.deepEqual(judgeClock({ clientTimeMs: 0, utcMs }, limit), { verdict: 'ok', skewMs: 0 });
  t.is(judge(Number.NaN), 'refused');
  t.is(skewText(3 * HOUR_MS + 12 * 60_000), '3 h 12 min ahead');
  t.is(skewText(-125_000), '2 min 5 s behind');
  t.is(skewText(-HOUR_MS), '1 h behind');
  t.is(skewText(3), '0 s ahead');
  t.is(skewText(50 * HOUR_MS), '2 d 2 h ahead');
});

test('a client is told that its clock is off, and comes in with a better time', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const client = await TestClient.open(rig.url);
  client.send({ ...HELLO, clientTimeMs: Date.now() - 3 * HOUR_MS });
  t.deepEqual(await client.end(), { error: 'ERR_CLOCK_SKEW', code: 4008 });
  t.true(client.messages.some((message) => message.type === 'error' && /3 h (?:0 min )?behind/.test(message.message)));
  t.is(rig.world.intakes.length, 0);
  await TestClient.join(rig.url, { clientTimeMs: Date.now() + 5 * 60_000 });
  await TestClient.join(rig.url, { clientTimeMs: Date.now() });
  t.is((await rig.gateway.report()).clocksReported, 1);
});

test("a client's time drives nothing: whatever it says, the same comes of it", async (t) => {
  const outcome = async (clientTimeMs: number) => {
    const rig = await startRig({ clockSkewMaxMs: 0, idleTimeoutMs: 600_000 });
    try {
      const startMs = Date.now();
      const { client, welcome } = await TestClient.join(rig.url, { clientTimeMs });
      client.send({ type: 'input', sequence: 1, back: 0, input: { moveX: 0.5, gear: 2, say: 'ahoy' } });
      client.send({ type: 'ping', nonce: 1 });
      const pong = await client.next('pong');
      await until(() => rig.world.of('input', welcome.session).length === 1, 'the input arrives');
      const isOurTime = [welcome.serverTimeMs, pong.serverTimeMs].every(
        (timeMs) => timeMs >= startMs - 2000 && timeMs <= Date.now() + 2000,
      );
      // Both are new for everybody.
      const rest = { ...welcome, resumeToken: '', serverTimeMs: 0 };
      const intakes = rig.world.intakes.map(({ payload, ...intake }) => ({ ...intake, payload: [...(payload ?? [])] }));
      return { rest, tick: pong.tick, isOurTime, intakes };
    } finally {
      await rig.dispose();
    }
  };
  const expected = await outcome(0);
  t.true(expected.isOurTime);
  for (const clientTimeMs of [1, Date.now() - 400 * 24 * HOUR_MS, 8e15, -5])
    t.deepEqual(await outcome(clientTimeMs), expected, String(clientTimeMs));
});

test("a client's time is read in one place", (t) => {
  const root = new URL('../../src/', import.meta.url);
  const readers = readdirSync(root, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && !/^(?:wire|client)\//.test(name))
    .filter((name) => readFileSync(new URL(name, root), 'utf8').includes('clientTimeMs'));
  t.deepEqual(readers.sort(), ['net/clock-skew.core.ts', 'net/login-check.ts']);
});
