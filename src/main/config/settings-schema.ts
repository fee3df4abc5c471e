/** The schema of a configuration file as JSON Schema, draft 2020-12: what editors complete and check by. */
import { NODE_NAME_SHAPE } from './address.ts';
import { SETTING_NAMES, allowedText, defaultOf, metaOf, schemaOf } from './settings.ts';
import { loadZod } from './zod.ts';

export function settingsJsonSchema(): object {
  const z = loadZod();
  const metadata = z.registry<{ description: string; default?: unknown; examples?: readonly unknown[] }>();
  const fields = Object.fromEntries(
    SETTING_NAMES.map((name) => {
      const { description, secret, kind, example, defaultText } = metaOf(name);
      const schema = schemaOf(name);
      metadata.add(schema, {
        description: `${description} (${allowedText(metaOf(name))})`,
        // What depends on the machine or the module is no constant.
        ...(defaultText === undefined && secret !== true && { default: defaultOf(name) }),
        ...(example !== undefined && { examples: [kind === 'list' ? [example] : example] }),
      });
      return [name, z.optional(schema)] as const;
    }),
  );
  const nodes = z.record(z.string().check(z.regex(NODE_NAME_SHAPE)), z.strictObject(fields));
  metadata.add(nodes, { description: "In a file of a whole cluster: each node's own settings, by its name" });
  return z.toJSONSchema(z.strictObject({ ...fields, nodes: z.optional(nodes) }), { metadata });
}
