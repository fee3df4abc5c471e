/** The elements of index.html that the page works with. A missing one is our bug and stops the page at once. */
import { assert } from '../src/base/assert.ts';

export function element<Type extends HTMLElement>(id: string, type: abstract new () => Type): Type {
  const found = document.getElementById(id);
  assert(found instanceof type, `index.html has #${id}`);
  return found;
}

/** Sets text only when it differs: the browser would lay the line out again. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
