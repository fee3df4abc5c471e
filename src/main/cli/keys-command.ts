/** `worldmesh keys init` and `worldmesh keys issue`. */
import path from 'node:path';
import type { Command } from 'commander';
import { AUTHORITY_DAYS_DEFAULT, DAYS_MAX, NODE_DAYS_DEFAULT, initKeys, issueKeys } from '../keys.ts';
import type { IssuedKeys } from '../keys.ts';
import { wholeNumber } from './number-argument.ts';
import { examples, print, printJson, styled } from './output.ts';

const ABOUT = `
Nodes of a cluster on several hosts talk over TLS 1.3, and each shows a certificate with its name in it, signed by the
cluster's own authority. Make the authority once, issue one certificate per node, and give every host three files:
NODE.crt, NODE.key and ca.crt. Keep ca.key off the nodes: whoever has it can make nodes. A cluster on one host, all of its
addresses on the loopback, needs no keys.
`;

export function addKeysCommand(program: Command): void {
  const keys = program.command('keys').description('Make the keys with which the nodes of a cluster know each other');
  keys.addHelpText('after', ABOUT);
  keys.addHelpText(
    'after',
    examples(['worldmesh keys init --out keys', 'worldmesh keys issue a --ca keys --out keys/a']),
  );

  const init = keys
    .command('init')
    .description("Make the cluster's authority: ca.crt and ca.key")
    .requiredOption('--out <folder>', 'where to write; made if it is not there')
    .option('--days <days>', 'how long the authority is valid', wholeNumber(1, DAYS_MAX), AUTHORITY_DAYS_DEFAULT)
    .option('--json', 'print the result as JSON');
  init.addHelpText('after', examples(['worldmesh keys init --out keys']));
  init.action((options: { out: string; days: number; json?: boolean }) => {
    const issued = initKeys({ out: options.out, days: options.days, now: new Date() });
    show(issued, {
      json: options.json === true,
      title: "The cluster's authority",
      next: `worldmesh keys issue a --ca ${options.out} --out ${options.out}/a`,
    });
  });

  const issue = keys
    .command('issue')
    .description("Make a node's key and certificate, signed by the authority")
    .argument('<node>', 'its name, the one that "worldmesh serve --node" gets')
    .requiredOption('--ca <folder>', 'where ca.crt and ca.key are')
    .requiredOption('--out <folder>', 'where to write NODE.crt, NODE.key and a copy of ca.crt; made if it is not there')
    .option(
      '--days <days>',
      'how long it is valid, at most as long as the authority',
      wholeNumber(1, DAYS_MAX),
      NODE_DAYS_DEFAULT,
    )
    .option('--json', 'print the result as JSON');
  issue.addHelpText(
    'after',
    examples([
      'worldmesh keys issue a --ca keys --out keys/a',
      'worldmesh keys issue b --ca keys --out keys/b --days 90',
    ]),
  );
  issue.action((node: string, options: { ca: string; out: string; days: number; json?: boolean }) => {
    const issued = issueKeys({ node, ca: options.ca, out: options.out, days: options.days, now: new Date() });
    show(issued, {
      json: options.json === true,
      title: `Node ${node}`,
      next: `worldmesh serve --node ${node} --tls-cert ${path.join(options.out, `${node}.crt`)} --tls-key ${path.join(options.out, `${node}.key`)} --tls-ca ${path.join(options.out, 'ca.crt')} …`,
    });
  });
}

function show(
  { files, validTo }: IssuedKeys,
  { json, title, next }: { json: boolean; title: string; next: string },
): void {
  if (json) {
    printJson({ files, validTo: validTo.toISOString() });
    return;
  }
  print(`${styled('green', title)}: valid until ${validTo.toISOString().slice(0, 10)}`);
  for (const file of files) print(`  ${file}`);
  print(`${styled('dim', 'next:')} ${next}`);
}
