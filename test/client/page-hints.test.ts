import test from 'ava';
import { listenForHints } from '../../src/client/page-hints.ts';

class Document extends EventTarget {
  hidden = false;
}

class Window extends EventTarget {
  readonly document = new Document();
}

test('the network, and a page that is shown again, are hints; a page that is hidden is none', (t) => {
  const page = new Window();
  let hints = 0;
  const end = listenForHints(() => hints++, page);
  for (const type of ['online', 'offline', 'pageshow', 'focus']) page.dispatchEvent(new Event(type));
  t.is(hints, 3);
  page.document.dispatchEvent(new Event('visibilitychange'));
  t.is(hints, 4);
  page.document.hidden = true;
  page.document.dispatchEvent(new Event('visibilitychange'));
  t.is(hints, 4);
  end();
  page.document.hidden = false;
  page.document.dispatchEvent(new Event('visibilitychange'));
  page.dispatchEvent(new Event('online'));
  t.is(hints, 4);
});

test('where there is no page there are no hints', (t) => {
  t.notThrows(listenForHints(() => undefined, {}));
});
