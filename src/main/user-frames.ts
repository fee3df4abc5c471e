/** A stack as its user wants to see it: what went wrong, and the lines that are theirs. */
const OWN_SOURCES = new URL('../', import.meta.url).href;

export function userFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !line.includes(OWN_SOURCES) && !line.includes('(node:') && !line.includes('at node:'))
    .join('\n');
}
