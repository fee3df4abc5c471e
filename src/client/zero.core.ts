/** Components as a new entity has them: for those that `input.apply` may read and this client is not sent. */
import type { Values } from '../base/pack.ts';
import type { FieldSchema, Schema } from '../base/schema.ts';

export function emptyComponents(schema: Schema): Record<string, Values> {
  return Object.fromEntries(
    schema.components.map((component) => [
      component.name,
      Object.fromEntries(component.fields.map((field) => [field.name, emptyValue(field)])),
    ]),
  );
}

function emptyValue(field: FieldSchema): unknown {
  switch (field.type) {
    case 'bool':
      return false;
    case 'text':
      return '';
    case 'bytes':
      return new Uint8Array();
    case 'list':
      return [];
    default:
      return 0;
  }
}
