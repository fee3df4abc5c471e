/** Display objects that are handed out afresh each frame: lines, flashes, labels. None is made twice. */
import type { Container } from 'pixi.js';

export class Pool<Item extends Container> {
  readonly #parent: Container;
  readonly #make: () => Item;
  readonly #items: Item[] = [];
  #used = 0;

  constructor(parent: Container, make: () => Item) {
    this.#parent = parent;
    this.#make = make;
  }

  begin(): void {
    this.#used = 0;
  }

  take(): Item {
    let item = this.#items[this.#used];
    if (item === undefined) {
      item = this.#make();
      this.#items.push(item);
      this.#parent.addChild(item);
    }
    this.#used++;
    item.visible = true;
    return item;
  }

  /** Hides what this frame did not take. */
  end(): void {
    for (let index = this.#used; index < this.#items.length; index++) this.#items[index]!.visible = false;
  }
}
