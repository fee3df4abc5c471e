/** What a browser knows of the network and of sleep, where there is a browser: each is a reason to look at the connection. */
interface EventSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

export interface Page extends Partial<EventSource> {
  readonly document?: Partial<EventSource> & { readonly hidden?: boolean };
}

/** Calls `hint` when the network came or went, or when the page is shown again. Returns what ends it. */
export function listenForHints(hint: () => void, page: Page = globalThis as Page): () => void {
  const ends: (() => void)[] = [];
  const listen = (source: Partial<EventSource> | undefined, type: string, listener: () => void): void => {
    if (typeof source?.addEventListener !== 'function') return;
    source.addEventListener(type, listener);
    ends.push(() => source.removeEventListener?.(type, listener));
  };
  for (const type of ['online', 'offline', 'pageshow']) listen(page, type, hint);
  listen(page.document, 'visibilitychange', () => {
    if (page.document?.hidden !== true) hint();
  });
  return () => {
    for (const end of ends) end();
  };
}
