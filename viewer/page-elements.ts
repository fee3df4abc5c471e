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

/** A new element with a class, attributes and children. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  {
    attributes = {},
    ...properties
  }: { className?: string; attributes?: Readonly<Record<string, string>> } & {
    readonly textContent?: string;
    readonly hidden?: boolean;
    readonly title?: string;
  } = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function makeButton(
  text: string,
  options: { className?: string; label?: string; onClick(): void },
): HTMLButtonElement {
  const button = make('button', { attributes: { type: 'button' }, textContent: text });
  if (options.className !== undefined) button.className = options.className;
  if (options.label !== undefined) {
    button.setAttribute('aria-label', options.label);
    button.title = options.label;
  }
  button.addEventListener('click', () => options.onClick());
  return button;
}
