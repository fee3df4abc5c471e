/** How messages are written: as bytes, or, to look at them, as JSON, which is loaded only when it is asked for. */
import type { Schema } from '../base/schema.ts';
import { encodeClientMessage } from '../wire/client.wire.ts';
import type { ClientMessage, ServerMessage } from '../wire/messages.ts';

export interface MessageFormat {
  encode(message: ClientMessage, schema: Schema | undefined): string | Uint8Array;
  /** Reads a text frame. @throws WireError. */
  decodeText(text: string, schema: Schema | undefined): ServerMessage;
  /** Adds to a gateway's URL what asks for this format. */
  urlOf(url: string): string;
}

export const BINARY_FORMAT: Pick<MessageFormat, 'encode' | 'urlOf'> = {
  encode: encodeClientMessage,
  urlOf: (url) => url,
};

export async function loadJsonFormat(): Promise<MessageFormat> {
  const { serverMessageFromJson, toJson } = await import('../wire/json.wire.ts');
  return {
    encode: toJson,
    decodeText: serverMessageFromJson,
    urlOf: (url) => `${url}${url.includes('?') ? '&' : '?'}format=json`,
  };
}
