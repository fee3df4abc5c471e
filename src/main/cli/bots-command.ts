import type { Command } from 'commander';
export function addBotsCommand(_program: Command): void {}
