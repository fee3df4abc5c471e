/** Tells at a glance whether the page is live: the pill in the corner, the banner and the dimmed map when it is not. */
import type { FeedState } from './overview-feed.ts';
import { element, setText } from './page-elements.ts';

const LOST = 'Connection to the server lost';

export class ConnectionView {
  readonly #app = element('app', HTMLElement);
  readonly #pill = element('connection', HTMLElement);
  readonly #pillText = this.#pill.querySelector('span')!;
  readonly #banner = element('banner', HTMLElement);
  readonly #title = element('banner-title', HTMLElement);
  readonly #text = element('banner-text', HTMLElement);
  readonly #retry = element('banner-retry', HTMLButtonElement);
  #wasLive = false;

  constructor(onRetry: () => void) {
    this.#retry.addEventListener('click', onRetry);
  }

  get isBannerShown(): boolean {
    return !this.#banner.hidden;
  }

  /** Called every frame: the seconds to the next attempt count down. `liveText` stands in the pill when all is well. */
  show(state: FeedState, nowMs: number, liveText: string): void {
    const isLost =
      state.name === 'waiting' || state.name === 'silent' || (state.name === 'connecting' && this.#wasLive);
    if (state.name === 'live') this.#wasLive = true;
    this.#app.classList.toggle('lost', isLost);
    this.#pill.classList.toggle('live', state.name === 'live');
    this.#pill.classList.toggle('lost', isLost);
    this.#banner.hidden = !isLost;
    this.#retry.hidden = state.name !== 'waiting';
    switch (state.name) {
      case 'live':
        setText(this.#pillText, liveText);
        return;
      case 'connecting':
        setText(this.#pillText, 'Connecting');
        this.#say(LOST, 'reconnecting now …');
        return;
      case 'silent':
        setText(this.#pillText, 'No answer');
        this.#say('The server is silent', 'connected, but nothing arrives; waiting …');
        return;
      case 'waiting': {
        const seconds = Math.max(1, Math.ceil((state.retryAtMs - nowMs) / 1000));
        setText(this.#pillText, 'Disconnected');
        this.#say(this.#wasLive ? LOST : 'The server is not reachable', `reconnecting in ${seconds} s`);
        return;
      }
    }
  }

  #say(title: string, text: string): void {
    setText(this.#title, title);
    setText(this.#text, text);
  }
}
