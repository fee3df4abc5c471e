/** The frames of a stack that are the user's: below the first frame of Worldmesh there is nothing of interest. */
export function userFrames(stack: string): string {
  const lines = stack.split('\n');
  const end = lines.findIndex((line) => OWN_FRAME.test(line));
  return lines.slice(0, end < 0 ? lines.length : end).join('\n');
}

const OWN_FRAME = /node:internal|\/src\/workers\//;
