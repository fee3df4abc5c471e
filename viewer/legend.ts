/** What the colours on the map mean. */
import type { KindInfo } from './overview-text.wire.ts';
import { LOAD_RAMP, cssColour, kindColour } from './palette.ts';

const KINDS_SHOWN_MAX = 8;

export function showLegend(parent: HTMLElement, kinds: readonly KindInfo[]): void {
  const rows = kinds.slice(0, KINDS_SHOWN_MAX).map((kind, index) => {
    const chip = document.createElement('i');
    chip.style.background = cssColour(kindColour(kinds, index));
    return row(chip, kind.name);
  });
  const ring = document.createElement('i');
  ring.className = 'ring';
  const ramp = document.createElement('i');
  ramp.className = 'ramp';
  ramp.style.background = `linear-gradient(90deg, ${LOAD_RAMP.map(cssColour).join(', ')})`;
  parent.replaceChildren(...rows, row(ring, 'local handover'), row(ramp, 'time per cell'));
}

function row(chip: HTMLElement, text: string): HTMLElement {
  const element = document.createElement('span');
  element.append(chip, text);
  return element;
}
