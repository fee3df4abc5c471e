/** The trace of the selected entity: what the journals tell, and the command that tells it all. */
import { clockText } from './clients/event-log.core.ts';
import { idText } from './clients/input-form.core.ts';
import { make, makeButton, setText } from './page-elements.ts';
import type { BoardLine, TraceBoard } from './trace-board.core.ts';

const SHOWN_MAX = 200;

export class TraceView {
  readonly #command = make('code');
  readonly #copy: HTMLButtonElement;
  readonly #ask: HTMLButtonElement;
  readonly #note = make('p', { className: 'hint', attributes: { role: 'status' } });
  readonly #list = make('ol', { className: 'trace' });

  constructor(parent: HTMLElement, onTrace: () => void) {
    this.#ask = makeButton('Read the journals', { className: 'ask', onClick: onTrace });
    this.#copy = makeButton('Copy', {
      className: 'copy',
      label: 'Copy the command',
      onClick: () => void this.#copyCommand(),
    });
    parent.append(
      make('div', { className: 'command' }, this.#command, this.#copy),
      make('div', { className: 'buttons' }, this.#ask),
      this.#note,
      this.#list,
    );
  }

  showCommand(id: number): void {
    setText(this.#command, id > 0 ? `worldmesh trace ${idText(id)}` : '…');
    this.#copy.disabled = id === 0;
    this.#ask.disabled = id === 0;
  }

  showBoard(board: TraceBoard): void {
    const lines = board.lines();
    const waiting = board.waiting.filter((node) => node !== '');
    const notes = [...board.problems];
    if (waiting.length > 0) notes.unshift(`waiting for ${waiting.join(', ')}`);
    else if (board.subject !== undefined && lines.length === 0 && notes.length === 0) notes.push('no journal knows it');
    if (lines.length > SHOWN_MAX) notes.push(`the last ${SHOWN_MAX} of ${lines.length} lines`);
    setText(this.#note, notes.join(' · '));
    const shown = lines.slice(-SHOWN_MAX);
    this.#list.replaceChildren(
      ...shown.map((line, index) => makeLine(line, { isNewSession: line.session !== shown[index - 1]?.session })),
    );
  }

  async #copyCommand(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#command.textContent ?? '');
      setText(this.#copy, 'Copied');
    } catch {
      // Pages that are not on HTTPS or this machine may not write it: the text can be selected by hand.
      getSelection()?.selectAllChildren(this.#command);
      setText(this.#copy, 'Press Ctrl C');
    }
    setTimeout(() => setText(this.#copy, 'Copy'), 1500);
  }
}

function makeLine(
  { atMs, node, stage, seq, session, other }: BoardLine,
  { isNewSession }: { isNewSession: boolean },
): HTMLElement {
  const time = make('time', { textContent: clockText(atMs), attributes: { datetime: new Date(atMs).toISOString() } });
  const facts = [
    seq > 0 ? `seq ${seq}` : '',
    other === '' ? '' : `↔ ${other}`,
    session > 0 && isNewSession ? `session ${idText(session)}` : '',
  ];
  const text = make(
    'span',
    {},
    make('b', { textContent: stage }),
    ` ${facts.filter((fact) => fact !== '').join(' · ')}`,
  );
  return make('li', {}, time, make('em', { textContent: node }), text);
}
