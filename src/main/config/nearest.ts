/** The candidate closest to a mistyped name, or undefined when none is close enough to be meant. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Names differ in style between flags, environment and files, not in meaning. */
function plain(name: string): string {
  return name.slice(0, NAME_LENGTH_MAX).toLowerCase().replaceAll(/[-_]/g, '');
}

/** Longer names are not settings; the distance is quadratic in the length. */
const NAME_LENGTH_MAX = 64;

/** Levenshtein distance; at least `limit` is reported as `limit`. */
function editDistance(first: string, second: string, limit: number): number {
  if (Math.abs(first.length - second.length) >= limit) return limit;
  let row = Array.from({ length: second.length + 1 }, (_, index) => index);
  for (let i = 1; i <= first.length; i++) {
    const next = [i];
    for (let j = 1; j <= second.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (first[i - 1] === second[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return Math.min(limit, row[second.length] ?? limit);
}
